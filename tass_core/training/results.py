"""What training reports, and the settings of a pack that are not part of any trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tass_core.errors import ConfigError

Status = Literal["running", "finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch of one trial."""

    trial: int
    """Index in the pack."""
    key: str
    """The trial's key."""
    epoch: int
    """1 for the first."""
    metrics: Mapping[str, float]
    """``train/...`` losses and ``val/...`` accuracies in percent, by name."""
    finished_at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The end of one trial."""

    trial: int
    """Index in the pack."""
    key: str
    """The trial's key."""
    status: Status
    """``finished``, ``pruned`` by halving or ``failed``."""
    reason: str | None
    """Why it was pruned or failed, in words."""
    best_epoch: int
    """The epoch with the best validation accuracy, the later one of equals; 0 for none."""
    metrics: Mapping[str, float]
    """``val/...`` and ``test/...`` at the best epoch, and the trial's own figures."""
    weights: Path | None
    """Checkpoint folder of the best epoch."""
    predictions: Path | None
    """Parquet file of the test split's answers, one row a question."""
    fused: int
    """The most members it was stacked with, itself included; 1 when it kept its own bits."""
    finished_at: float
    """Seconds since 1970."""


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


@dataclass
class Record:
    """What a pack's checkpoint remembers of one member."""

    key: str
    status: Status = "running"
    reason: str | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    """The metrics of every epoch so far, in order, with ``finished_at``."""
    final: dict[str, float] = field(default_factory=dict)
    """The metrics of the trial's end."""
    fused: int = 1
    """The most members of a stack that it was in."""
    finished_at: float = 0.0
