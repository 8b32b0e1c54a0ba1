"""Pruning: which members of a pack go on, and when. Members are compared on validation alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tass_core.errors import ConfigError

if TYPE_CHECKING:
    from tass_core.training.resume import Record

Correct: TypeAlias = Mapping[str, npt.NDArray[np.bool_]]
"""Trial key -> which validation questions the member answered right after this epoch: [Q]."""


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving inside a pack: at each rung the best 1 / η go on.

    Rungs lie at ``min_epochs``, ``eta * min_epochs``, ``eta² * min_epochs`` and so on. The
    members of a pack are compared by their best validation accuracy so far. A sweep ends a
    pack's run at a rung, so that those who go on meet the survivors of other packs.
    """

    eta: int = 3
    min_epochs: int = 2

    def __post_init__(self) -> None:
        if self.eta < 2:
            raise ConfigError(f"eta = {self.eta} is out of range; allowed: 2 or more")
        _check_epochs(self.min_epochs)

    def rung_after(self, epoch: int) -> int:
        """Return the first rung after an epoch (1 for the first; 0 for the start)."""
        rung = self.min_epochs
        while rung <= epoch:
            rung *= self.eta
        return rung

    def survivors(self, alive: int) -> int:
        """Return how many of ``alive`` members go on from a rung: at least one."""
        return max(1, -(-alive // self.eta))

    def prune(self, records: Sequence[Record], epoch: int, _correct: Correct) -> None:
        """End the worse of the running members when the epoch is a rung; ties go by key."""
        if self.rung_after(epoch - 1) != epoch:
            return
        running = [record for record in records if record.running]
        ranked = sorted(running, key=lambda record: (-record.best_accuracy, record.key))
        survivors = self.survivors(len(ranked))
        for place, record in enumerate(ranked[survivors:], start=survivors + 1):
            record.end("pruned", f"place {place} of {len(ranked)} at the rung of epoch {epoch}")


@dataclass(frozen=True, slots=True)
class Wilcoxon:
    """Members go that answer significantly fewer questions right than the pack's best.

    The instances of Wilcoxon's signed-rank test are the validation questions, which all members
    answer; it is one-sided. A pack is looked at after every epoch, so ``p`` is a threshold and
    no error rate.
    """

    p: float = 0.1
    min_epochs: int = 2
    """Nobody goes before."""

    def __post_init__(self) -> None:
        if not 0.0 < self.p < 1.0:
            raise ConfigError(f"p = {self.p} is out of range; allowed: above 0 and below 1")
        _check_epochs(self.min_epochs)

    def prune(self, records: Sequence[Record], epoch: int, correct: Correct) -> None:
        """End the running members that are worse than the best of this epoch."""
        from scipy.stats import wilcoxon  # takes a second, which other pruners need not wait

        running = [record for record in records if record.running]
        if epoch < self.min_epochs or len(running) < 2:
            return
        best = max(running, key=lambda record: (correct[record.key].sum(), record.key))
        for record in running:
            difference = correct[best.key].astype(int) - correct[record.key].astype(int)
            if not difference.any():
                continue
            p = float(wilcoxon(difference, alternative="greater").pvalue)
            if p < self.p:
                lost = 100 * difference.mean()
                reason = f"{lost:.2f} points below the pack's best at epoch {epoch} (p = {p:.2g})"
                record.end("pruned", reason)


Pruner: TypeAlias = Halving | Wilcoxon
_RULES: Mapping[str, type[Pruner]] = {"halving": Halving, "wilcoxon": Wilcoxon}


def describe_pruner(pruner: Pruner) -> dict[str, Any]:
    """Return a pruner as plain data."""
    rule = next(name for name, kind in _RULES.items() if isinstance(pruner, kind))
    return {"rule": rule, **asdict(pruner)}


def read_pruner(values: Mapping[str, Any]) -> Pruner:
    """Return the pruner that ``describe_pruner`` wrote."""
    settings = dict(values)
    return _RULES[settings.pop("rule")](**settings)


def _check_epochs(epochs: int) -> None:
    if epochs < 1:
        raise ConfigError(f"min_epochs = {epochs} is out of range; allowed: 1 or more")
