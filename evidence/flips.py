"""Questions that change between a row and what it is compared to."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evidence.families import Reading
from evidence.rows import Sample

SHOWN = 5
"""Questions of a row that are named."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One question that changes."""

    question_id: int
    type: str
    answer: str
    """The right one."""
    before: str
    """What the reference says, with most seeds."""
    after: str
    """What the row says, with most seeds."""
    change: float
    """The share of seeds that answer it right, the row's less the reference's."""


@dataclass(frozen=True, slots=True)
class Flips:
    """What changes between one row and its reference, question by question."""

    row: str
    reference: str
    gained: float
    """Questions that become right; mean over seeds."""
    lost: float
    """Questions that become wrong; mean over seeds."""
    between_seeds: float | None
    """Questions on which two seeds of the reference differ, for comparison; None for one seed."""
    most: tuple[Flip, ...]
    """Those that change in most seeds."""


def flips(reading: Reading, column: str) -> tuple[Flips, ...]:
    """Return what changes in each row of a table that is compared to another, without holes."""
    found = []
    for row in reading.samples:
        reference = reading.references.get(row.name)
        if reference is not None:
            seeds = reading.family.comparable([row, reference], column)
            if seeds:
                found.append(_flips(row, reference, seeds, column))
    return tuple(found)


def _flips(row: Sample, reference: Sample, seeds: list[int], column: str) -> Flips:
    ours, theirs = (it.correct(column, seeds) for it in (row, reference))
    change = ours.mean(axis=0) - theirs.mean(axis=0)
    pairs = [float(np.abs(a - b).sum()) for a, b in itertools.combinations(theirs, 2)]
    order = np.argsort(-np.abs(change), kind="stable")[:SHOWN]
    return Flips(
        row=row.name,
        reference=reference.name,
        gained=float((ours > theirs).sum(axis=1).mean()),
        lost=float((ours < theirs).sum(axis=1).mean()),
        between_seeds=float(np.mean(pairs)) if pairs else None,
        most=tuple(
            _flip(row, reference, seeds, column, int(q), change) for q in order if change[q]
        ),
    )


def _flip(
    row: Sample,
    reference: Sample,
    seeds: list[int],
    column: str,
    place: int,
    change: NDArray[np.float64],
) -> Flip:
    asked = reference.answers[seeds[0]]
    question = int(np.flatnonzero(row.asked(column, seeds[0]))[place])

    def said(sample: Sample) -> str:
        votes = Counter(str(sample.answers[seed].predicted[question]) for seed in seeds)
        return votes.most_common(1)[0][0]

    return Flip(
        question_id=int(asked.question_id[question]),
        type=str(asked.type[question]),
        answer=str(asked.answer[question]),
        before=said(reference),
        after=said(row),
        change=float(change[place]),
    )
