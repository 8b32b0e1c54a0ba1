"""The systems of the comparison, found by name.

The built-in ones stand here. A user's package adds its own by an entry point::

    [project.entry-points."tass_lab.systems"]
    mynet = "mynet:MYNET"
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from tass_core.errors import ConfigError, nearest
from tass_core.systems.protocol import Shapes, System

if TYPE_CHECKING:
    from torch import nn

    from tass_core.config import TrialConfig

BUILT_IN = {
    "tass": "tass_core.systems.tass:TASS",
    "avst": "tass_core.systems.avst:AVST",
    "convlstm": "tass_core.systems.convlstm:CONVLSTM",
    "hme": "tass_core.systems.hme:HME",
    "avsd": "tass_core.systems.avsd:AVSD",
    "mcan": "tass_core.systems.mcan:MCAN",
    "coca": "tass_core.systems.avst.coca:COCA",
    "tjstg": "tass_core.systems.tass.tjstg:TJSTG",
    "pstp": "tass_core.systems.pstp:PSTP",
    "pstp-released": "tass_core.systems.pstp:PSTP_RELEASED",
    "tspm": "tass_core.systems.tspm:TSPM",
    "qa-tiger": "tass_core.systems.qa_tiger:QA_TIGER",
    "pano-avqa": "tass_core.systems.pano_avqa:PANO_AVQA",
    "lavish": "tass_core.systems.avst.lavish:LAVISH",
}
ENTRY_POINTS = "tass_lab.systems"


@cache
def system_places() -> Mapping[str, str]:
    """Return name -> ``module:VALUE`` of every system that is installed."""
    return {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)} | BUILT_IN


@cache
def system_named(name: str) -> System[Any, Any]:
    """Return a system.

    Raises:
        ConfigError: there is none of this name, or it cannot be imported.
    """
    places = system_places()
    if name not in places:
        raise ConfigError(
            f"system = '{name}' is not one of {', '.join(places)}{nearest(name, places)}"
        )
    module, _, value = places[name].partition(":")
    try:
        found = getattr(importlib.import_module(module), value)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"system = '{name}': {places[name]} cannot be imported ({error}); "
            "install its package again"
        ) from None
    if not isinstance(found, System):
        raise ConfigError(
            f"system = '{name}': {places[name]} is a {type(found).__name__}, not a System; "
            "name the System value in the package's entry point"
        )
    return found


def parameter_counts(network: nn.Module) -> dict[str, int]:
    """Return the trainable parameters of every direct submodule and their ``total``."""
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters() if parameter.requires_grad)
        for name, child in network.named_children()
    }
    return counts | {"total": sum(counts.values())}


def build_network(config: TrialConfig, shapes: Shapes) -> nn.Module:
    """Return the network of a config, without its initial weights.

    Args:
        config: its system and the fields of that.
        shapes: the dataset's, from ``Dataset.shapes``.
    """
    from tass_core.systems.matmuls import use_fast_matmuls

    system = system_named(config.system)
    network = system.build(*system.canonical(config.model, config.loss), shapes)
    use_fast_matmuls(network)
    return network
