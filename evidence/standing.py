"""A plan that adds seeds until it is decided: where each row stands, and what to train next.

The rows of a plan are one family. Holm's procedure settles their signs; the rest of a verdict is
read from an interval that holds for all rows at once. A row stops when it is decided, or when it
hardly can be any more, which costs no error: stopping early only ever forgoes a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evidence.estimates import LEVEL, Interval, same_answers
from evidence.moderation import pool
from evidence.multiplicity import holm
from evidence.sequential import FUTILE, Design, Path, follow
from evidence.variance import Matrix, Parts, split
from evidence.verdicts import Finding, read

State = Literal["decided", "open", "needs more questions", "needs more seeds", "identical"]
_PATIENCE = 4
"""Seeds from which a row may stop without a verdict."""
_AHEAD = (1, 2, 4, 8, 16)
"""Further seeds that a row's chance is looked at for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a row stands after its last look."""

    state: State
    finding: Finding
    interval: Interval
    """Holds for all rows and all looks at once; cut at 0 where the sign is settled."""
    mean: float
    """As seen; of a row that stopped early it is too large on average."""
    seeds: int

    @property
    def reason(self) -> str:
        """Why a row without a verdict stopped."""
        return {
            "needs more questions": "cannot be decided with these questions",
            "needs more seeds": "hardly to be decided with the seeds of the plan",
            "identical": "every answer is that of the reference",
        }.get(self.state, "")


def paths(
    differences: Mapping[str, Matrix], videos: NDArray[np.generic] | None, design: Design
) -> dict[str, Path]:
    """Return the path of every row that has its first look behind it.

    Args:
        differences: row -> its answers minus the reference's, [S, Q], seeds in the plan's order.
        videos: [Q] the video of each question.
        design: when to look.
    """
    parts: dict[str, dict[int, Parts]] = {
        name: {
            seeds: split(matrix[:seeds], videos)
            for seeds in range(min(design.first, len(matrix)), min(len(matrix), design.last) + 1)
        }
        for name, matrix in differences.items()
        if len(matrix)
    }
    found = {}
    longest = max((max(known) for known in parts.values()), default=0)
    scales = {
        look: pool(known[min(look, max(known))] for known in parts.values())
        for look in range(design.first, longest + 1)
    }
    for name, known in parts.items():
        looks = [seeds for seeds in known if seeds >= design.first]
        path = follow([known[it] for it in looks], [scales[it] for it in looks], design)
        if path is not None:
            found[name] = path
    return found


def stand(
    found: Mapping[str, Path], design: Design, *, equality: bool = True
) -> dict[str, Standing]:
    """Return where every row stands.

    Args:
        found: row -> path.
        design: the plan's.
        equality: whether a row that may prove practically equal goes on for that.
    """
    distinct = list(dict.fromkeys(path for path in found.values() if not _identical(path)))
    adjusted = dict(zip(distinct, holm([path.p() for path in distinct]), strict=True))
    settled = {path for path, p in adjusted.items() if p is not None and p < LEVEL}
    rows = max(len(distinct), 1)
    alone = LEVEL / max(rows - len(settled), 1)
    return {
        name: _stand(path, path in settled, alone, LEVEL / rows, design, equality)
        for name, path in found.items()
    }


def scores(
    found: Mapping[str, Path], standings: Mapping[str, Standing], reference: int, design: Design
) -> dict[str, float]:
    """Return what a further seed is worth to each open row: chance of a decision by trials.

    Args:
        found: row -> path.
        standings: as ``stand`` returned them.
        reference: seeds that the shared reference has.
        design: the plan's.
    """
    distinct = {path for path in found.values() if not _identical(path)}
    settled = {
        found[name]
        for name, it in standings.items()
        if it.state == "decided" and it.finding != "practically equal"
    }
    level = LEVEL / max(len(distinct) - len(settled), 1)
    return {
        name: _score(found[name], reference, level, design)
        for name, it in standings.items()
        if it.state == "open"
    }


def _stand(
    path: Path, settled: bool, level: float, together: float, design: Design, equality: bool
) -> Standing:
    look = path.looks[-1]
    low, high = path.interval(together)
    if settled:
        low, high = (max(low, 0.0), high) if look.mean > 0 else (low, min(high, 0.0))
    interval = Interval(low, high)
    if _identical(path):
        interval = same_answers(look.videos)
    finding = read(interval, design.margin)
    if settled and finding == "undecided":
        finding = "higher" if look.mean > 0 else "lower"
    state: State = "open"
    if _identical(path):
        state = "identical"
    elif settled or finding != "undecided":
        state = "decided"
    elif look.seeds >= design.last:
        state = "needs more seeds"
    elif look.seeds >= _PATIENCE:
        state = _futile(path, level, together, design, equality)
    return Standing(state, finding, interval, look.mean, look.seeds)


def _futile(path: Path, level: float, together: float, design: Design, equality: bool) -> State:
    equal = path.equal(design.last, together) if equality else 0.0
    if path.reach(design.last, level) + equal >= FUTILE:
        return "open"
    if path.limit(level) + equal < FUTILE:
        return "needs more questions"
    return "needs more seeds"


def _score(path: Path, reference: int, level: float, design: Design) -> float:
    look = path.looks[-1]
    best = 0.0
    for further in _AHEAD:
        then = min(look.seeds + further, design.last)
        chance = path.reach(then, level)
        cost = then - look.seeds + max(then - reference, 0)
        best = max(best, chance / cost)
    return best


def _identical(path: Path) -> bool:
    return all(it.mean == it.variance == it.question == 0.0 for it in path.looks)
