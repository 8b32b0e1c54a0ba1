"""Batches: which questions in which order, their features, and the mismatched frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tass_core.batches.order import Rows, epoch_order, slots_of
from tass_core.config import TrialConfig
from tass_core.cuda.transfer import Reader, Transfer, frame_reader
from tass_core.data.folder.records import Features, Questions
from tass_core.randomness import generator
from tass_core.systems.protocol import Batch, Negatives
from tass_core.systems.tass.network import uses_match

EVALUATION_VIDEOS = 32
"""Videos in an evaluation batch; bounds its memory whatever the questions."""


@dataclass(frozen=True, slots=True)
class Shard:
    """This worker's place among those that train one pack together."""

    rank: int = 0
    world_size: int = 1


class BatchSource:
    """Builds the batches of one split; those of training depend on (seed, epoch) alone.

    Args:
        questions: the split's questions.
        features: the dataset's pooled features.
        config: decides batch size, batching and whether and where negatives are drawn.
        shard: this worker's part of every batch.
        device: where the batches are wanted.
    """

    def __init__(
        self,
        questions: Questions,
        features: Features,
        config: TrialConfig,
        shard: Shard | None = None,
        device: str = "cpu",
    ) -> None:
        self.questions = questions
        self.features = features
        self.config = config
        self.shard = shard or Shard()
        self.device = device
        self.word_target = config.canonical().model.target != "sentence"
        self._readers: dict[torch.dtype, Reader] = {}

    def training(self, seed: int, epoch: int, *, match: bool = True) -> Iterator[Batch]:
        """Yield the batches of an epoch in their order.

        Features are rounded to bfloat16 here where training is (``optimiser.precision``).
        On a CPU a batch's frames stay valid until the next batch is asked for: their memory is
        used again.
        """
        order = epoch_order(self.questions, self.config, seed, epoch)
        bf16 = self.config.optimiser.precision == "bf16"
        frames = self._reader(torch.bfloat16 if bf16 else torch.float32)

        def build(step: int) -> Batch:
            source = generator("negatives", seed, epoch, step) if match else None
            return self._build(order[step], frames, source, self.shard)

        yield from self._deliver(order, frames, build)

    def evaluation(self) -> Iterator[tuple[Rows, Batch]]:
        """Yield (rows of the split, their batch), whole videos at a time, frames as above."""
        order = np.argsort(self.questions.video, kind="stable")
        _, starts = np.unique(self.questions.video[order], return_index=True)
        edges = [*starts[::EVALUATION_VIDEOS], len(order)]
        parts = [order[start:end] for start, end in pairwise(edges)]
        frames = self._reader(torch.float32)

        def build(step: int) -> Batch:
            return self._build(parts[step], frames, None, Shard())

        yield from zip(parts, self._deliver(parts, frames, build), strict=True)

    def _reader(self, dtype: torch.dtype) -> Reader:
        if dtype not in self._readers:
            self._readers[dtype] = frame_reader(self.features.visual, dtype, self.device)
        return self._readers[dtype]

    def _deliver(
        self, order: Sequence[Rows], frames: Reader, build: Callable[[int], Batch]
    ) -> Iterator[Batch]:
        """Yield every batch where it is wanted, the disk reading ahead."""
        if self.device.startswith("cuda"):
            yield from Transfer(self.device).batches(len(order), build)
            return
        # No thread reads ahead here: it would take its time from the cores that train.
        for step in range(len(order)):
            if step + 1 < len(order):
                frames.expect(np.unique(self.questions.video[order[step + 1]]))
            yield build(step)

    def _build(
        self, rows: Rows, frames: Reader, source: np.random.Generator | None, shard: Shard
    ) -> Batch:
        asked = self.questions.take(rows)
        videos, video = np.unique(asked.video, return_inverse=True)
        slot, slots = slots_of(video)
        edges = [len(videos) * rank // shard.world_size for rank in (shard.rank, shard.rank + 1)]
        owned = slice(*edges)
        mine = np.flatnonzero((video >= owned.start) & (video < owned.stop))
        return Batch(
            visual=frames.read(videos[owned]),
            audio=torch.from_numpy(np.asarray(self.features.audio[videos])).float(),
            video=torch.from_numpy(video),
            slot=torch.from_numpy(slot),
            slots=slots,
            first_video=owned.start,
            rows=torch.from_numpy(mine),
            answer=torch.from_numpy(asked.answer),
            negatives=None if source is None else self._negatives(videos, video, owned, source),
            **self._text(asked.sentence),
        )

    def _text(self, sentence: Rows) -> dict[str, Tensor]:
        """Return the question's features: of the sentence, and of its words where used."""
        features, text = self.features, {}
        if features.text is not None:
            text["sentence"] = torch.from_numpy(features.text[sentence])
            if self.word_target and features.words is not None:
                text["words"] = torch.from_numpy(features.words[sentence].astype(np.float32))
        elif features.tokens is not None:
            text["tokens"] = torch.from_numpy(features.tokens[sentence])
        if features.word_count is not None and ("words" in text or "tokens" in text):
            text["word_count"] = torch.from_numpy(features.word_count[sentence])
        return text

    def _negatives(
        self, videos: Rows, video: Rows, owned: slice, source: np.random.Generator
    ) -> Negatives | None:
        """Draw for every frame the questions that must not match it (section 3.3)."""
        count, segments = len(videos), self.features.audio.shape[1]
        if not uses_match(self.config.model, self.config.loss):
            return None
        visual = None
        if self.config.loss.negatives == "dataset":
            asking = np.repeat(np.arange(count)[:, None], segments, axis=1)
            time = np.repeat(np.arange(segments)[None], count, axis=0)
            visual = self._other_frames(videos, segments, source)
        elif count < 2:
            return None
        else:
            shift = source.integers(1, count, size=segments)
            time = np.repeat(source.permutation(segments)[None], count, axis=0)
            asking = (np.arange(count)[:, None] - shift) % count
        held = np.bincount(video, minlength=count)
        filled = np.arange(held.max()) < held[asking[owned]][..., None]
        return Negatives(
            source_video=torch.from_numpy(asking[owned]),
            source_time=torch.from_numpy(time[owned]),
            pairs=torch.from_numpy(np.flatnonzero(filled)),
            visual=None if visual is None else visual[owned],
        )

    def _other_frames(self, videos: Rows, segments: int, source: np.random.Generator) -> Tensor:
        """Return [U, T, P, C]: for every segment a random frame of another video."""
        split = np.unique(self.questions.video)
        place = np.searchsorted(split, videos)
        shift = source.integers(1, max(len(split), 2), size=(len(videos), segments))
        other = split[(place[:, None] + shift) % len(split)]
        time = source.integers(0, segments, size=other.shape)
        return torch.from_numpy(np.asarray(self.features.visual[other, time])).float()
