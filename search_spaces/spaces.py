"""Search spaces as plain data: which config fields a search varies, how, and when.

A knob with ``needs`` exists only where those fields have those values: τ without
target-awareness would be a dimension without effect, and a search would waste trials on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Scalar = bool | int | float | str

Needs = tuple[tuple[str, Scalar], ...]
"""(field, value) pairs that must all hold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    field: str
    values: tuple[Scalar, ...]
    needs: Needs = ()
    structural: bool = False
    """Whether trials that differ in it cannot share a pack."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two bounds, both included."""

    field: str
    low: float
    high: float
    log: bool = False
    needs: Needs = ()


Knob = Choice | Range
Space = tuple[Knob, ...]
"""Knobs in the order of the questions: a knob comes after those it needs."""

_TSG: Needs = (("model.spatial_grounding", True),)
_JTG: Needs = (("model.temporal_grounding", True),)
_AWARE: Needs = (("model.target_aware", True),)
_MATCH: Needs = (("loss.match", True),)
_ORDERINGS = ("il-va", "il-av", "cat-va", "cat-av")
_T2 = Choice("data.t2", (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30), structural=True)

_MODULES: Space = (
    Choice("model.spatial_grounding", (True, False), structural=True),
    Choice("model.temporal_grounding", (True, False), structural=True),
    Choice("model.target_aware", (True, False), needs=_TSG),
    Choice("loss.match", (True, False), needs=_TSG),
    Choice("loss.cms", ("js", "none"), needs=_JTG),
)

SPACES: Mapping[str, Space] = {
    "tau": (Range("model.tau", 0.0, 0.05),),
    "lambda": (Range("loss.lambda_s", 0.05, 5.0, log=True),),
    "t2": (_T2,),
    "ordering": (Choice("model.ordering", _ORDERINGS),),
    "modules": _MODULES,
    "joint": (
        _T2,
        *_MODULES,
        Choice("model.merge", ("add", "mul", "max"), needs=_AWARE),
        Range("model.tau", 0.0, 0.05, needs=_AWARE),
        Range("loss.lambda_s", 0.05, 5.0, log=True, needs=_MATCH),
        Choice("model.ordering", _ORDERINGS, needs=_JTG),
        Range("optimiser.learning_rate", 5e-5, 5e-3, log=True),
    ),
}


def fit_space(space: Space, segments: int) -> Space:
    """Return the space with T2 limited to the divisors of T1 = ``segments``."""
    return tuple(
        Choice(
            knob.field,
            tuple(v for v in knob.values if isinstance(v, int) and segments % v == 0),
            knob.needs,
            knob.structural,
        )
        if isinstance(knob, Choice) and knob.field == "data.t2"
        else knob
        for knob in space
    )


def active(knob: Knob, chosen: Mapping[str, Scalar]) -> bool:
    """Whether a knob exists, given the values chosen so far."""
    return all(chosen.get(name) == value for name, value in knob.needs)


def complete(chosen: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return overrides for a choice: without target-awareness there is nothing to merge."""
    aware = chosen.get("model.target_aware", True) and chosen.get("model.spatial_grounding", True)
    return dict(chosen) if aware else {**chosen, "model.merge": "auto"}
