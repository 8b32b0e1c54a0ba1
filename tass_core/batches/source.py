"""The batches of a split: questions in their order, features, and mismatched frames."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tass_core.batches.order import (
    Rows,
    epoch_order,
    filled_slots,
    negatives_of_batch,
    negatives_of_split,
    slots_of,
    whole_videos,
)
from tass_core.batches.readers import Frames, HostFrames, Reader
from tass_core.config import TrialConfig
from tass_core.cuda.transfer import DeviceFrames
from tass_core.data.folder.records import Features, Questions
from tass_core.randomness import generator
from tass_core.systems.protocol import Batch, Needs, Negatives
from tass_core.workers import Shard

EVALUATION_VIDEOS = 32
"""Videos in an evaluation batch; bounds its memory whatever the questions."""


class BatchSource:
    """Builds the batches of one split; those of training depend on (seed, epoch) alone.

    On a CPU a batch's frames stay valid until the next batch is asked for: their memory is
    used again, by the sources that ``of`` returns too.

    Args:
        questions: the split's questions.
        features: the dataset's pooled features.
        config: decides batch size and batching; its system's needs decide what is read. Another
            of the same structure may take its place between epochs.
        shard: this worker's part of every batch of training, and of the batches of evaluation.
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
        self._frames: Frames = (
            DeviceFrames(features.visual, device)
            if device.startswith("cuda")
            else HostFrames(features.visual)
        )

    @property
    def needs(self) -> Needs:
        """What the batches hold."""
        return self.config.needs()

    def of(self, questions: Questions) -> BatchSource:
        """Return the source of another split, which reads into the same memory."""
        other = copy.copy(self)
        other.questions = questions
        return other

    def training(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch in their order.

        Features are rounded to bfloat16 here where training is (``optimiser.precision``).
        """
        order = epoch_order(self.questions, self.config, seed, epoch)
        bf16 = self.config.optimiser.precision == "bf16"
        reader = self._frames.reader(torch.bfloat16 if bf16 else torch.float32)
        drawn = self.needs.negatives != "none"

        def build(step: int) -> Batch:
            source = generator("negatives", seed, epoch, step) if drawn else None
            return self._build(order[step], reader, source, self.shard)

        def needed(step: int) -> Rows:
            videos = np.unique(self.questions.video[order[step]])
            return videos[self.shard.part(len(videos))]

        yield from self._frames.batches(len(order), build, needed)

    def evaluation(self) -> Iterator[tuple[Rows, Batch]]:
        """Yield this worker's (rows of the split, their batch), whole videos at a time."""
        parts = whole_videos(self.questions.video, EVALUATION_VIDEOS)
        mine = parts[self.shard.rank :: self.shard.world_size]
        reader = self._frames.reader(torch.float32)
        batches = self._frames.batches(
            len(mine),
            lambda step: self._build(mine[step], reader, None, Shard()),
            lambda step: np.unique(self.questions.video[mine[step]]),
        )
        yield from zip(mine, batches, strict=True)

    def _build(
        self, rows: Rows, reader: Reader, source: np.random.Generator | None, shard: Shard
    ) -> Batch:
        asked = self.questions.take(rows)
        videos, video = np.unique(asked.video, return_inverse=True)
        slot, slots = slots_of(video)
        owned = shard.part(len(videos))
        mine = np.flatnonzero((video >= owned.start) & (video < owned.stop))
        negatives = (
            None if source is None else self._negatives(videos, video, owned, source, reader)
        )
        return Batch(
            visual=reader.read(videos[owned]) if "visual" in self.needs.arrays else None,
            audio=torch.from_numpy(np.asarray(self.features.audio[videos])).float(),
            video=torch.from_numpy(video),
            slot=torch.from_numpy(slot),
            slots=slots,
            first_video=owned.start,
            rows=torch.from_numpy(mine),
            answer=torch.from_numpy(asked.answer),
            negatives=negatives,
            **self._text(asked.sentence),
        )

    def _text(self, sentence: Rows) -> dict[str, Tensor]:
        """Return the question's features, those that are needed."""
        features, wanted = self.features, self.needs.arrays
        text: dict[str, Tensor] = {}
        if "sentence" in wanted and features.text is not None:
            text["sentence"] = torch.from_numpy(features.text[sentence])
        if "words" in wanted and features.words is not None:
            text["words"] = torch.from_numpy(features.words[sentence].astype(np.float32))
        if "tokens" in wanted and features.tokens is not None:
            text["tokens"] = torch.from_numpy(features.tokens[sentence])
        if wanted & {"words", "tokens"} and features.word_count is not None:
            text["word_count"] = torch.from_numpy(features.word_count[sentence])
        return text

    def _negatives(
        self,
        videos: Rows,
        video: Rows,
        owned: slice,
        source: np.random.Generator,
        reader: Reader,
    ) -> Negatives | None:
        """Draw for every owned frame the questions that must not match it (section 3.3).

        None where there is no other video to draw from.
        """
        count, segments = len(videos), self.features.audio.shape[1]
        visual = None
        if self.needs.negatives == "dataset":
            split = np.unique(self.questions.video)
            if len(split) < 2:
                return None
            other, moment = negatives_of_split(videos, split, segments, source)
            visual = reader.pick(other[owned], moment[owned])
            asking, time = np.indices((count, segments))
        elif count < 2:
            return None
        else:
            asking, time = negatives_of_batch(count, segments, source)
        return Negatives(
            source_video=torch.from_numpy(asking[owned]),
            source_time=torch.from_numpy(time[owned]),
            pairs=torch.from_numpy(filled_slots(video, asking[owned])),
            visual=visual,
        )
