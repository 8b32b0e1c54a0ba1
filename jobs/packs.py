"""Packs: which trials train together in one process, and the plain data that describes one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tass_core.config import TrialConfig, digest
from tass_core.training import Halving
from tass_core.trial import Trial, structure_key

LARGEST = 8
"""Members of a pack unless ``--pack-size`` says otherwise; their weights share the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Trials that share seed, dataset and structure, trained by one call."""

    members: Mapping[str, Trial]
    """Trial key -> trial, in the order of the pack."""
    halving: Halving | None = None
    attempt: int = 0
    """Raised when a failed trial is started again from nothing."""

    @property
    def key(self) -> str:
        """The pack's content address: 16 hex digits over its members and its rules."""
        halving = None if self.halving is None else [self.halving.eta, self.halving.min_epochs]
        return digest([sorted(self.members), halving, self.attempt])[:16]

    @property
    def seed(self) -> int:
        """The seed that all members share."""
        return next(iter(self.members.values())).seed

    def to_dict(self) -> dict[str, Any]:
        """Return the pack as plain data, for workers and for ``members.json``."""
        halving = self.halving
        return {
            "members": {
                key: {"config": trial.config.to_dict(), "seed": trial.seed}
                for key, trial in self.members.items()
            },
            "halving": halving and {"eta": halving.eta, "min_epochs": halving.min_epochs},
            "attempt": self.attempt,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pack:
        """Build from what ``to_dict`` returned."""
        members = {
            key: Trial(TrialConfig.from_dict(item["config"]), item["seed"])
            for key, item in values["members"].items()
        }
        halving = values["halving"]
        return cls(members, halving and Halving(**halving), values["attempt"])


def make_packs(trials: Mapping[str, Trial], size: int) -> list[Pack]:
    """Group trials of equal seed and structure, at most ``size`` in a pack, largest first.

    Args:
        trials: trial key -> trial.
        size: the most members of a pack.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for key, trial in trials.items():
        groups.setdefault((trial.seed, structure_key(trial.config)), []).append(key)
    packs = [
        Pack({key: trials[key] for key in part})
        for keys in groups.values()
        for part in _evenly(keys, size)
    ]
    return sorted(packs, key=lambda pack: -len(pack.members))


def choose_size(trials: int, slots: int) -> int:
    """Return a pack size that gives every slot about four packs, for an even finish."""
    return max(1, min(LARGEST, math.ceil(trials / (4 * max(slots, 1)))))


def adopt(missing: Mapping[str, Trial], unfinished: Mapping[Pack, set[str]]) -> list[Pack]:
    """Return the interrupted packs to continue: all of their open trials are still wanted.

    Args:
        missing: trial key -> trial of what has to run.
        unfinished: packs found on the storage, each with the keys of its open members.
    """
    adopted: list[Pack] = []
    taken: set[str] = set()
    for pack, keys in unfinished.items():
        if keys and keys <= set(missing) and not keys & taken:
            adopted.append(pack)
            taken |= keys
    return adopted


def _evenly(keys: Sequence[str], size: int) -> list[Sequence[str]]:
    parts = math.ceil(len(keys) / max(size, 1))
    edges = [len(keys) * part // parts for part in range(parts + 1)]
    return [keys[start:end] for start, end in itertools.pairwise(edges)]
