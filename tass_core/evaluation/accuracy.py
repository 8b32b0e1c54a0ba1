"""Accuracy by question type, and averages weighted by question."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tass_core.data.folder.description import SPLITS
from tass_core.data.folder.records import Questions
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES


def accuracies(questions: Questions, correct: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return accuracy in percent for each type present and each average over questions."""
    by_type = {name: questions.type == index for index, name in enumerate(QUESTION_TYPES)}
    groups = by_type | {
        name: np.logical_or.reduce([by_type[member] for member in members])
        for name, members in AVERAGES.items()
    }
    return {
        name: 100.0 * float(correct[mask].mean()) for name, mask in groups.items() if mask.any()
    }


def metric(split: str, name: str) -> str:
    """Return what a figure of a split is called: ``test/all``, ``test/unseen-pictures/all``."""
    return f"{split}/{name}" if split in SPLITS else f"test/{split}/{name}"
