"""A pack: trials that train together in one process, and the plain data that describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tass_core.config import TrialConfig, digest
from tass_core.training.pruning import Pruner, describe_pruner, read_pruner
from tass_core.trial import Trial


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Trials that share seed, dataset and structure, trained by one call."""

    members: Mapping[str, Trial]
    """Trial key -> trial, in the order of the pack."""
    pruner: Pruner | None = None
    attempt: int = 0
    """Raised when a failed trial is started again from nothing."""
    origin: str | None = None
    """Key of the pack that it goes on from, unless it has saved something itself."""

    @property
    def key(self) -> str:
        """The pack's content address: 16 hex digits over its members and its rules."""
        pruner = self.pruner and describe_pruner(self.pruner)
        return digest([sorted(self.members), pruner, self.attempt])[:16]

    @property
    def seed(self) -> int:
        """The seed that all members share."""
        return next(iter(self.members.values())).seed

    def part(self, keys: Sequence[str]) -> Pack:
        """Return a pack of some members, which goes on from where this one stopped."""
        members = {key: self.members[key] for key in keys}
        return Pack(members, attempt=self.attempt, origin=self.key)

    def to_dict(self) -> dict[str, Any]:
        """Return the pack as plain data, for workers and for ``members.json``."""
        return {
            "members": {
                key: {"config": trial.config.to_dict(), "seed": trial.seed}
                for key, trial in self.members.items()
            },
            "pruner": self.pruner and describe_pruner(self.pruner),
            "attempt": self.attempt,
            "origin": self.origin,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Pack:
        """Build from what ``to_dict`` returned."""
        members = {
            key: Trial(TrialConfig.from_dict(item["config"]), item["seed"])
            for key, item in values["members"].items()
        }
        pruner = values["pruner"]
        return cls(members, pruner and read_pruner(pruner), values["attempt"], values["origin"])
