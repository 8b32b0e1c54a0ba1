"""The systems of the comparison, found by name.

The built-in ones stand here. A user's package adds its own by an entry point::

    [project.entry-points."tass_lab.systems"]
    mynet = "mynet:MYNET"
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tass_core.errors import ConfigError, nearest
from tass_core.systems.debiasing import debiasing
from tass_core.systems.protocol import Batch, Output, Shapes, Stage, System, Term

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
    "av-master": "tass_core.systems.av_master:AV_MASTER",
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


@cache
def system_source(name: str) -> str | None:
    """Return the SHA-256 of the Python files of the package that adds a system.

    None for the built-in ones, whose changes are told by ``TRAINING_VERSION`` and ``version``.

    Raises:
        ConfigError: there is no such system, or it cannot be imported.
    """
    system_named(name)
    if name in BUILT_IN:
        return None
    package = system_places()[name].partition(":")[0].partition(".")[0]
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    roots = [Path(root) for root in found.submodule_search_locations or ()]
    files = {path.relative_to(root): path for root in roots for path in root.rglob("*.py")}
    if not roots:
        files = {Path(Path(found.origin).name): Path(found.origin)}
    digest = hashlib.sha256()
    for relative, path in sorted(files.items()):
        content = path.read_bytes()
        digest.update(f"{relative.as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


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
    from tass_core.systems.blocks.biases import add_biases
    from tass_core.systems.matmuls import use_fast_matmuls

    system = system_named(config.system)
    model, loss = system.canonical(config.model, config.loss)
    network = system.build(model, loss, shapes)
    if debiasing(loss) > 0 and system.features is not None:
        add_biases(network, system.features(model, shapes), shapes.answers)
    use_fast_matmuls(network)
    return network


def step_losses(
    config: TrialConfig, output: Output, batch: Batch, stage: Stage
) -> Mapping[str, Term]:
    """Return the terms of a step's loss: the system's, and MCCD's if the config has that."""
    found = system_named(config.system).losses(output, batch, config.model, config.loss, stage)
    weight = debiasing(config.loss)
    if weight == 0 or stage != "train":
        return found
    from tass_core.systems.blocks.biases import debiasing_term

    return {**found, "mccd": debiasing_term(output, batch, weight)}


def loss_terms(config: TrialConfig) -> tuple[str, ...]:
    """Return the names of the terms that a config's loss may have."""
    debiased = ("mccd",) if debiasing(config.loss) > 0 else ()
    return (*system_named(config.system).terms, *debiased)
