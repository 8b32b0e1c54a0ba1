"""Which questions make up each batch: pure indices, from (seed, epoch) alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tass_core.config import TrialConfig
from tass_core.data.folder.records import Questions
from tass_core.randomness import generator

Rows = npt.NDArray[np.int64]


def epoch_order(questions: Questions, config: TrialConfig, seed: int, epoch: int) -> list[Rows]:
    """Return the rows of every batch of an epoch, a function of (seed, epoch) alone.

    With ``data.batching = video`` the videos are shuffled and each batch holds whole videos;
    it is closed by the question that fills it, so no batch is smaller but the last.
    """
    source = generator("order", seed, epoch)
    size = config.optimiser.batch_size
    if config.data.batching == "question":
        order = source.permutation(len(questions))
        return [order[start : start + size] for start in range(0, len(order), size)]
    rank = source.permutation(int(questions.video.max()) + 1)[questions.video]
    order = np.argsort(rank, kind="stable")
    batches, start = [], 0
    ends = (np.flatnonzero(np.diff(rank[order], append=-1)) + 1).tolist()
    for end in ends:
        if end - start >= size or end == len(order):
            batches.append(order[start:end])
            start = end
    return batches


def slots_of(video: Rows) -> tuple[Rows, int]:
    """Number the questions of each video: (slot of every question, the largest count)."""
    order = np.argsort(video, kind="stable")
    _, first, count = np.unique(video[order], return_index=True, return_counts=True)
    slot = np.empty(len(video), dtype=np.int64)
    slot[order] = np.arange(len(video)) - np.repeat(first, count)
    return slot, int(count.max())
