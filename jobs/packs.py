"""A pack: trials that train together in one process, and the plain data that describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tass_core.config import TrialConfig, digest
from tass_core.training.pruning import Halving, Pruner, describe_pruner, read_pruner
from tass_core.trial import Trial


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Trials that share seed, dataset and structure, trained by one call."""

    members: Mapping[str, Trial]
    """Trial key -> trial, in the order of the pack."""
    pruner: Pruner | None = None
    attempt: int = 0
    """Raised when a failed trial is started again from nothing."""
    since: int = 0
    """Epoch of the rung from which its members go on; 0 where they begin."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Trial key -> key of the pack that it goes on from, unless this one has saved something."""

    @property
    def key(self) -> str:
        """The pack's content address: 16 hex digits over its members and its rules."""
        pruner = self.pruner and describe_pruner(self.pruner)
        return digest([sorted(self.members), pruner, self.attempt, self.since])[:16]

    @property
    def seed(self) -> int:
        """The seed that all members share."""
        return next(iter(self.members.values())).seed

    @property
    def epochs(self) -> int:
        """Epochs of its longest member."""
        return max(trial.config.optimiser.epochs for trial in self.members.values())

    @property
    def until(self) -> int | None:
        """The rung at which its run ends, and survivors wait; None where there is none."""
        if isinstance(self.pruner, Halving):
            return self.pruner.rung_after(self.since)
        return None

    def part(self, keys: Sequence[str], pruner: Pruner | None = None) -> Pack:
        """Return a pack of some members, which goes on from where this one stopped."""
        members = {key: self.members[key] for key in keys}
        origins = dict.fromkeys(keys, self.key)
        return Pack(members, pruner, self.attempt, self.since, origins)

    def to_dict(self) -> dict[str, Any]:
        """Return the pack as plain data, for workers and for ``members.json``."""
        return {
            "members": {
                key: {"config": trial.config.to_dict(), "seed": trial.seed}
                for key, trial in self.members.items()
            },
            "pruner": self.pruner and describe_pruner(self.pruner),
            "attempt": self.attempt,
            "since": self.since,
            "origins": dict(self.origins),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pack:
        """Build from what ``to_dict`` returned."""
        members = {
            key: Trial(TrialConfig.from_dict(item["config"]), item["seed"])
            for key, item in values["members"].items()
        }
        return cls(
            members,
            values["pruner"] and read_pruner(values["pruner"]),
            values["attempt"],
            values["since"],
            values["origins"],
        )
