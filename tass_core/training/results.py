"""What training reports: the end of every epoch and of every trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FORMAT = 2
"""Of a pack's folder, see ``tass_core.training.resume``."""
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
    """``finished``, ``pruned`` or ``failed``."""
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
