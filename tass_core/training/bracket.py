"""Successive halving: how many members of a pack go on, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tass_core.errors import ConfigError
from tass_core.training.resume import Record


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving inside a pack: at each rung the best 1 / η go on.

    Rungs lie at ``min_epochs``, ``eta * min_epochs``, ``eta² * min_epochs`` and so on. The
    members of a pack are compared by their best validation accuracy so far.
    """

    eta: int = 3
    min_epochs: int = 2

    def __post_init__(self) -> None:
        if self.eta < 2:
            raise ConfigError(f"eta = {self.eta} is out of range; allowed: 2 or more")
        if self.min_epochs < 1:
            raise ConfigError(f"min_epochs = {self.min_epochs} is out of range; allowed: 1 or more")

    def is_rung(self, epoch: int) -> bool:
        """Whether members are dropped after this epoch (1 for the first)."""
        rung = self.min_epochs
        while rung < epoch:
            rung *= self.eta
        return rung == epoch

    def survivors(self, alive: int) -> int:
        """Return how many of ``alive`` members go on from a rung: at least one."""
        return max(1, -(-alive // self.eta))

    def prune(self, records: Sequence[Record], epoch: int) -> None:
        """End the worse of the running members when the epoch is a rung; ties go by key."""
        if not self.is_rung(epoch):
            return
        running = [record for record in records if record.running]
        ranked = sorted(running, key=lambda record: (-record.best_accuracy, record.key))
        survivors = self.survivors(len(ranked))
        for place, record in enumerate(ranked[survivors:], start=survivors + 1):
            record.end("pruned", f"place {place} of {len(ranked)} at the rung of epoch {epoch}")
