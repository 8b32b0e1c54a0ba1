"""Hand-made batches for tests of the network: no dataset, no files."""

import torch

from tass_core.systems.protocol import Batch, Negatives, Shapes

SHAPES = Shapes(
    segments=4, regions=9, visual=12, audio=10, text=8, words=5, vocabulary=11, answers=6
)


def make_batch(videos=(0, 1, 1, 2), *, seed=0, shapes=SHAPES, negatives=True):
    """A batch of questions on the given videos, with negatives one video away."""
    source = torch.Generator().manual_seed(seed)
    video = torch.tensor(videos)
    count, questions = int(video.max()) + 1, len(video)
    seen: dict[int, int] = {}
    slot = []
    for index in videos:
        slot.append(seen.get(index, 0))
        seen[index] = slot[-1] + 1
    slots = max(seen.values())
    segments = shapes.segments
    asking = (torch.arange(count)[:, None] - 1).expand(count, segments) % count
    filled = torch.arange(slots) < torch.tensor([seen[i] for i in range(count)])[asking][..., None]

    def draw(*size):
        return torch.randn(*size, generator=source)

    return Batch(
        visual=draw(count, segments, shapes.regions, shapes.visual),
        audio=draw(count, segments, shapes.audio),
        video=video,
        slot=torch.tensor(slot),
        slots=slots,
        first_video=0,
        rows=torch.arange(questions),
        answer=torch.randint(shapes.answers, (questions,), generator=source),
        sentence=draw(questions, shapes.text),
        words=draw(questions, shapes.words, shapes.text),
        tokens=torch.randint(1, shapes.vocabulary, (questions, shapes.words), generator=source),
        word_count=torch.randint(1, shapes.words + 1, (questions,), generator=source),
        negatives=Negatives(
            source_video=asking,
            source_time=torch.arange(segments).flip(0).expand(count, segments),
            pairs=filled.flatten().nonzero().squeeze(-1),
        )
        if negatives and count > 1
        else None,
    )
