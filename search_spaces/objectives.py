"""What a search maximises or minimises, and what its trials have to keep to.

Nothing here is measured on the test split: a search chooses, and no choice is made by test
results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.errors import ConfigError, nearest

ACCURACY = "val/all"
"""Validation accuracy in percent: what a search maximises first."""
_VALIDATION = tuple(dict.fromkeys(f"val/{name}" for name in (*QUESTION_TYPES, *AVERAGES, "all")))
_LOWER = ("params_m", "val/loss")
GROUNDING = ("val/ground/spatial", "val/ground/temporal")
"""Attention against the truth in percent, on datasets that have one."""
METRICS = (*_VALIDATION, "val/loss", *GROUNDING, "params_m", "questions_per_s")
"""Metrics that an objective or a constraint may be about."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric at a trial's best epoch, and which way is better."""

    metric: str

    def __post_init__(self) -> None:
        _check(self.metric)

    def __str__(self) -> str:
        return f"{self.metric} ({self.direction})"

    @property
    def direction(self) -> Direction:
        """As Optuna calls it."""
        return "minimize" if self.metric in _LOWER else "maximize"

    @property
    def sign(self) -> int:
        """1 or -1: a value times it is better the larger it is."""
        return -1 if self.metric in _LOWER else 1


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a metric, as ``params_m <= 3``."""

    metric: str
    sign: Literal["<=", ">="]
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.bound:g}"

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return by how much a trial misses the bound; 0 or less when it keeps it."""
        over = metrics[self.metric] - self.bound
        return over if self.sign == "<=" else -over


def parse_objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Return objectives by name; without any it is validation accuracy.

    Raises:
        ConfigError: a metric that cannot be one, or the same one twice.
    """
    found = tuple(map(Objective, names)) or (Objective(ACCURACY),)
    for place, objective in enumerate(found):
        if objective in found[:place]:
            raise ConfigError(f"objective {objective.metric} is there twice; name it once")
    return found


def parse_constraint(text: str) -> Constraint:
    """Return the constraint that a text such as ``params_m <= 3`` describes.

    Raises:
        ConfigError: it is none, or about a metric that cannot be bound.
    """
    match = re.fullmatch(r"\s*([\w/]+)\s*(<=|>=)\s*([-+.\deE]+)\s*", text)
    try:
        metric, sign, bound = match.groups() if match else ("", "", "")
        number = float(bound)
    except ValueError:
        raise ConfigError(
            f"constraint '{text}' is none; write a metric, <= or >=, and a number, such as "
            "'params_m <= 3'"
        ) from None
    _check(metric)
    return Constraint(metric, "<=" if sign == "<=" else ">=", number)


def feasible(constraints: Sequence[Constraint], metrics: Mapping[str, float]) -> bool:
    """Whether a trial keeps to all constraints."""
    return all(constraint.violation(metrics) <= 0 for constraint in constraints)


def front(points: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """Return the places of the points that no other one is better than in every objective."""
    gains = [[it.sign * value for it, value in zip(objectives, one, strict=True)] for one in points]
    return [
        place
        for place, one in enumerate(gains)
        if not any(_dominates(other, one) for other in gains)
    ]


def _dominates(other: Sequence[float], one: Sequence[float]) -> bool:
    pairs = list(zip(other, one, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _check(metric: str) -> None:
    if metric.startswith(("test/", "ground/")):
        raise ConfigError(
            f"'{metric}' is measured on the test split, and no choice is made by it; take one of "
            f"{', '.join(METRICS)}"
        )
    if metric not in METRICS:
        raise ConfigError(f"'{metric}' is none of {', '.join(METRICS)}{nearest(metric, METRICS)}")
