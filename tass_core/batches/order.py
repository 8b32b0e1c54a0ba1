"""Which questions make up each batch, and what must not match: pure indices, no features."""

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


def whole_videos(video: Rows, videos: int) -> list[Rows]:
    """Return the rows of a split in parts of at most ``videos`` whole videos.

    Args:
        video: [Q] each question's video.
        videos: in a part; bounds its memory however many questions they have.
    """
    order = np.argsort(video, kind="stable")
    _, starts = np.unique(video[order], return_index=True)
    return np.split(order, starts[videos::videos])


def slots_of(video: Rows) -> tuple[Rows, int]:
    """Number the questions of each video: (slot of every question, K, the largest count)."""
    order = np.argsort(video, kind="stable")
    _, first, count = np.unique(video[order], return_index=True, return_counts=True)
    slot = np.empty(len(video), dtype=np.int64)
    slot[order] = np.arange(len(video)) - np.repeat(first, count)
    return slot, int(count.max())


def negatives_of_batch(
    videos: int, segments: int, source: np.random.Generator
) -> tuple[Rows, Rows]:
    """Draw which question-segments look at each frame of a batch that must not match it.

    One shift of the videos for each segment: every segment of every video looks at exactly one
    frame, which is another video's.

    Args:
        videos: U, two or more.
        segments: T.
        source: of the random numbers.

    Returns:
        [U, T] the video that looks at the frame, and the segment of it that looks.
    """
    shift = source.integers(1, videos, size=segments)
    time = np.repeat(source.permutation(segments)[None], videos, axis=0)
    return (np.arange(videos)[:, None] - shift) % videos, time


def negatives_of_split(
    videos: Rows, split: Rows, segments: int, source: np.random.Generator
) -> tuple[Rows, Rows]:
    """Draw a frame of another video of the split for every segment of a batch's videos.

    Args:
        videos: [U] the batch's, ascending.
        split: [V] all videos of the split, ascending, two or more.
        segments: T.
        source: of the random numbers.

    Returns:
        [U, T] the frame's video, and its segment there.
    """
    place = np.searchsorted(split, videos)
    shift = source.integers(1, len(split), size=(len(videos), segments))
    other = split[(place[:, None] + shift) % len(split)]
    return other, source.integers(0, segments, size=other.shape)


def filled_slots(video: Rows, asking: Rows) -> Rows:
    """Return [M]: which of the slots [U', T, K] of videos ``asking`` hold a question.

    Args:
        video: [B] each question's video, 0 to U - 1.
        asking: [U', T] videos.
    """
    held = np.bincount(video)
    return np.flatnonzero(np.arange(held.max()) < held[asking][..., None])
