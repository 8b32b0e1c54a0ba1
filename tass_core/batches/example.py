"""Small batches of random features, for whoever tries a network without a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tass_core.batches.order import filled_slots, slots_of
from tass_core.systems.protocol import Batch, Needs, Negatives, Shapes


def example_batch(
    needs: Needs,
    shapes: Shapes,
    videos: Sequence[int] = (0, 1, 2, 2, 2),
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
) -> Batch:
    """Return random questions, with negatives from the video before where there are others.

    Args:
        needs: what is to be in it.
        shapes: of the features.
        videos: [B] each question's video, with all of 0 to U - 1 among them.
        seed: of the random numbers.
        dtype: of the features.
        device: of the features; on ``meta`` they take no memory.
    """
    source, video = torch.Generator().manual_seed(seed), np.asarray(videos)
    questions, frames = len(video), (int(video.max()) + 1, shapes.segments)
    slot, slots = slots_of(video)

    def draw(*size: int) -> Tensor:
        if device == "meta":
            return torch.empty(*size, dtype=dtype, device=device)
        return torch.randn(*size, generator=source, dtype=dtype).to(device)

    maps = draw(*frames, shapes.regions, shapes.visual)
    count = torch.randint(1, shapes.words + 1, (questions,), generator=source)
    real = torch.arange(shapes.words) < count[:, None]
    tokens = torch.randint(1, max(shapes.vocabulary, 2), real.shape, generator=source)
    text = {
        "sentence": draw(questions, shapes.text),
        "words": draw(questions, shapes.words, shapes.text) * real.unsqueeze(-1).to(device),
        "tokens": tokens * real,
    }
    asking = np.broadcast_to((np.arange(frames[0])[:, None] - 1) % frames[0], frames)
    negatives = Negatives(
        source_video=torch.from_numpy(asking.copy()),
        source_time=torch.arange(shapes.segments).flip(0).expand(frames),
        pairs=torch.from_numpy(filled_slots(video, asking)),
        visual=draw(*maps.shape) if needs.negatives == "dataset" else None,
    )
    return Batch(
        visual=maps if "visual" in needs.arrays else None,
        audio=draw(*frames, shapes.audio),
        video=torch.from_numpy(video),
        slot=torch.from_numpy(slot),
        slots=slots,
        first_video=0,
        rows=torch.arange(questions),
        answer=torch.randint(shapes.answers, (questions,), generator=source),
        word_count=count if needs.arrays & {"words", "tokens"} else None,
        negatives=negatives if needs.negatives != "none" and frames[0] > 1 else None,
        **{name: value for name, value in text.items() if name in needs.arrays},
    )


def example_shapes(needs: Needs) -> Shapes:
    """Return small shapes, no two sizes alike, with the questions that are needed."""
    tokens = "tokens" in needs.arrays
    return Shapes(
        segments=4,
        regions=9,
        visual=12,
        audio=10,
        text=0 if tokens else 8,
        words=5,
        vocabulary=11 if tokens else 0,
        answers=6,
    )
