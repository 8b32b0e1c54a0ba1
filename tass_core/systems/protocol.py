"""What the network reads and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Shapes:
    """The sizes that a model is built from."""

    segments: int
    """T, segments after pooling."""
    regions: int
    """P, regions of a frame."""
    visual: int
    """C, channels of a region."""
    audio: int
    """Channels of a segment's sound."""
    text: int
    """D_t, width of the sentence feature; 0 when questions are tokens."""
    words: int
    """N, the longest question in words; 0 when there are neither words nor tokens."""
    vocabulary: int
    """Words in the vocabulary, padding included; 0 when there are no tokens."""
    answers: int
    """Classes."""


@dataclass(frozen=True, slots=True)
class Negatives:
    """Mismatched frames for L_s (Eq. 6): in every frame, whose audio and target look at it.

    With ``visual`` None the frames are the batch's own: the questions of video
    ``source_video`` look, at their segment ``source_time``, into a frame of another video.
    """

    source_video: Tensor
    """[U', T] int64: the video (row of ``Batch.audio``) whose questions look at the frame."""
    source_time: Tensor
    """[U', T] int64: the segment of that video whose audio looks at the frame."""
    pairs: Tensor
    """[M] int64: which of the U' * T * K slots hold a question; the others are padding."""
    visual: Tensor | None = None
    """[U', T, P, C] frames drawn from the whole split, or None."""

    def source_places(self, segments: int) -> Tensor:
        """Return [U', T] int64: the rows of all videos' ``segments``, one after another."""
        return self.source_video * segments + self.source_time


@dataclass(frozen=True, slots=True)
class Batch:
    """B questions on U videos; every frame is held once, however many questions share it.

    One worker of several owns U' of the videos with their frames, and the B' questions on
    them; everything small is there for the whole batch. Alone, it owns all: U' = U, B' = B.
    """

    visual: Tensor
    """[U', T, P, C] region features of the owned videos."""
    audio: Tensor
    """[U, T, C_a] audio features of all videos."""
    video: Tensor
    """[B] int64: each question's video, a row of ``audio``."""
    slot: Tensor
    """[B] int64: the question's place among those of its video, below K."""
    slots: int
    """K, the largest number of questions on one video of the batch."""
    first_video: int
    """The first owned video's row in ``audio``; the others follow it."""
    rows: Tensor
    """[B'] int64: the owned questions' places in the batch."""
    answer: Tensor
    """[B] int64."""
    sentence: Tensor | None = None
    """[B, C_t] sentence features (CLIP)."""
    words: Tensor | None = None
    """[B, N, C_t] word features (CLIP, for the word targets)."""
    tokens: Tensor | None = None
    """[B, N] int64 word indices, 0 is padding (GloVe)."""
    word_count: Tensor | None = None
    """[B] int64 words in each question."""
    negatives: Negatives | None = None
    """Mismatched frames, in training with L_s."""

    def to(self, device: str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with every tensor changed."""
        found = replace(self, **_changed(self, change))
        if self.negatives is None:
            return found
        return replace(found, negatives=replace(self.negatives, **_changed(self.negatives, change)))


@dataclass(frozen=True, slots=True)
class Output:
    """The network's answer and everything a picture of it needs, for B' owned questions."""

    logits: Tensor
    """[B', answers] before the softmax of section 3.5."""
    spatial_weights: Tensor | None
    """[B', T, P] attention of TSG+ (Eq. 2); None without TSG+."""
    visual_weights: Tensor | None
    """[B', T] w_v (Eq. 18); None without JTG."""
    audio_weights: Tensor | None
    """[B', T] w_a (Eq. 19); None without JTG."""
    matched: Tensor | None
    """[B', T, 2] match logits of true pairs (Eq. 7), when asked for."""
    mismatched: Tensor | None
    """[M, 2] match logits of pairs with another video's frame, when there are any."""


def _changed(held: Batch | Negatives, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    values = {item.name: getattr(held, item.name) for item in fields(held)}
    return {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
