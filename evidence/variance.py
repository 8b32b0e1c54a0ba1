"""The parts of a contrast's variance: seeds, questions, and the videos that questions share.

Everything works on matrices ``difference: [S, Q]`` in [-1, 1]: S seeds, Q questions, the same
in every row that takes part. Both are samples: a mean would differ for new seeds and for new
questions. Questions about one video share its pictures and sound, so videos are what is drawn.
All numbers that come out are percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_ROUNDING = 1e-15
"""A variance below this is what rounding leaves of zero; one answer in a million gives 1e-9."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A contrast's mean and the parts of its variance. Equal parts are one contrast, counted once.

    ``Var(mean)`` is ``spread / seeds + question``. With a single seed both parts of the seeds
    are 0 and mean that nothing is known of them.
    """

    mean: float
    seeds: int
    questions: int
    """0 for a metric that exists once for each run."""
    videos: int
    """Clusters of questions."""
    spread: float
    """Variance over seeds of the per-seed mean."""
    residual: float
    """The part of ``spread`` that is known: seeds by questions and seeds by videos."""
    question: float
    """Variance of the mean from the draw of videos and questions; no seed removes it."""


def split(difference: Matrix, videos: NDArray[np.generic] | None = None) -> Parts:
    """Return the parts of the variance of ``difference: [S, Q]``.

    Args:
        difference: a weighted sum of right (1) and wrong (0) answers.
        videos: [Q] the video of each question; None counts the questions as independent.
    """
    seeds, questions = difference.shape
    points = 100 * np.asarray(difference, dtype=np.float64)
    place = np.arange(questions)
    if videos is not None:
        place = np.unique(videos, return_inverse=True)[1].reshape(-1)
    clusters = int(place.max()) + 1
    by_seed, by_question = points.mean(axis=1), points.mean(axis=0)
    mean = float(points.mean())
    draw = clusters / max(clusters - 1, 1) / questions**2
    question = draw * _squares(by_question - mean, place, clusters)
    if seeds < 2:
        return Parts(mean, seeds, questions, clusters, 0.0, 0.0, _above_rounding(question))
    rest = points - by_seed[:, None] - by_question + mean
    residual = draw * sum(_squares(line, place, clusters) for line in rest) / (seeds - 1)
    return Parts(
        mean=mean,
        seeds=seeds,
        questions=questions,
        videos=clusters,
        spread=_above_rounding(float(by_seed.var(ddof=1))),
        residual=_above_rounding(residual),
        question=_above_rounding(question - residual / seeds),
    )


def split_metric(values: Sequence[float]) -> Parts:
    """Return the parts for a metric that exists once for each seed: its spread alone."""
    data = np.asarray(values, dtype=np.float64)
    spread = float(data.var(ddof=1)) if data.size > 1 else 0.0
    return Parts(float(data.mean()), data.size, 0, 0, _above_rounding(spread), 0.0, 0.0)


def weighted_average(accuracies: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """Return the accuracy over several question types, weighted by questions.

    Args:
        accuracies: question type -> accuracy in percent.
        counts: question type -> questions of that type; other types are ignored.
    """
    total = sum(counts[name] for name in accuracies)
    return sum(value * counts[name] for name, value in accuracies.items()) / total


def _squares(line: Matrix, place: NDArray[np.intp], clusters: int) -> float:
    """Return the sum over clusters of the squared sum of a line's entries in it."""
    sums = np.bincount(place, weights=line, minlength=clusters)
    return float(sums @ sums)


def _above_rounding(variance: float) -> float:
    return variance if variance > _ROUNDING else 0.0
