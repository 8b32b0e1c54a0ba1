"""What a person may decide about a sweep's checkpoints and about a search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tass_core.errors import SweepError
from tass_core.training.bracket import Halving


@dataclass(frozen=True, slots=True)
class Keep:
    """Which checkpoints outlive the sweep: all best epochs, the best ``top`` trials', or none."""

    policy: str = "best"
    top: int = 0
    """How many stay unless all do."""

    @classmethod
    def parse(cls, text: str) -> Keep:
        """Build from ``best``, ``none`` or ``top:N``.

        Raises:
            SweepError: the text is none of these.
        """
        if text in ("best", "none"):
            return cls(text)
        match = re.fullmatch(r"top:([1-9]\d*)", text)
        if match is None:
            raise SweepError(f"--keep {text}: allowed are best, none, and top:N such as top:5")
        return cls("top", int(match.group(1)))


@dataclass(frozen=True, slots=True)
class Search:
    """An Optuna search instead of a grid."""

    trials: int = 32
    """Trials to propose, duplicates and pruned ones included."""
    halving: Halving | None = field(default_factory=Halving)
    confirm: int = 5
    """Best variants to train with all the seeds."""
    storage: str | None = None
    """Optuna storage URL; None is a SQLite file beside the tracking database."""

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--confirm", self.confirm)):
            if value < 1:
                raise SweepError(f"{name} {value} is out of range; allowed: 1 or more")
