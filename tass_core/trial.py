"""A trial: one variant trained with one seed, and the content address that names it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig, digest, known_fields
from tass_core.errors import ConfigError
from tass_core.systems import system_named, system_source


@dataclass(frozen=True, slots=True)
class Trial:
    """A variant and a seed; on a given dataset these decide every result."""

    config: TrialConfig
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed = {self.seed} is out of range; allowed: 0 to {2**31 - 1}")


def trial_key(trial: Trial, fingerprint: str) -> str:
    """Return 16 hex digits that address the trial's result.

    Initial weights read from a checkpoint enter by their content, not by their path; a user's
    system by the content of its package.

    Args:
        trial: the variant and its seed.
        fingerprint: the dataset's fingerprint.

    Raises:
        ConfigError: ``model.init_from`` names a checkpoint that cannot be read.
    """
    config = trial.config.canonical()
    if config.model.init_from not in ("none", "match"):
        config = config.replace("model.init_from", _content(config.model.init_from))
    described = {
        "config": config.to_dict(),
        "seed": trial.seed,
        "dataset": fingerprint,
        "training_version": TRAINING_VERSION,
    }
    version, source = system_named(config.system).version, system_source(config.system)
    told = {"system_version": version} if version > 1 else {}
    return digest(described | told | ({"system_source": source} if source else {}))[:16]


def structure_key(config: TrialConfig) -> str:
    """Return 16 hex digits shared by the configs whose trials may train in one pack.

    Such trials see the same batches in the same order and have models of the same shapes;
    they differ in nothing but fields that are marked ``FREE``.
    """
    known, values = known_fields(config.system), config.canonical().flat()
    return digest({name: value for name, value in values.items() if not known[name].free})[:16]


def _content(folder: str) -> str:
    path = Path(folder) / "model.safetensors"
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(
            f"model.init_from = '{folder}': {path} cannot be read ({error.strerror}); "
            "allowed: none, match, or a checkpoint folder"
        ) from None
