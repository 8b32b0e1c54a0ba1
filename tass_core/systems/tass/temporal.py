"""JTG, the joint temporal grounding of section 3.4 (Eq. 13-16), and Table 7's dual stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.protocol import Noise
from tass_core.systems.tass.config import Ordering, Position


def places(segments: int, ordering: Ordering) -> Tensor:
    """Return [2T]: the places of v1, a1, ..., vT, aT in a stream (Eq. 13, Table 6).

    Args:
        segments: T.
        ordering: ``il-va`` is [v1; a1; ...; vT; aT], ``cat-va`` is [v1; ...; vT; a1; ...; aT];
            ``-av`` puts audio first.
    """
    pattern, first = ordering.split("-")
    every = torch.arange(2 * segments)
    one, two = every.view(-1, 2).unbind(-1) if pattern == "il" else every.chunk(2)
    visual, audio = (one, two) if first == "va" else (two, one)
    return torch.stack([visual, audio], dim=-1).flatten()


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Return the usual sine and cosine positions: [length, width]."""
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([torch.sin(position * rates), torch.cos(position * rates)], -1).flatten(1)


class SingleStream(nn.Module):
    """JTG: one attention over both modalities, which fuses and grounds at once.

    Attention does not see in which order its stream is held. It is held as v1, a1, ..., vT, aT, so
    that dropout falls on the same segments in every ordering; what the ordering decides is the
    position that each of them is given.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        segments: int,
        *,
        ordering: Ordering,
        position: Position,
        attention_dropout: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.attention = QuestionAttention(
            width, heads, attention_dropout=attention_dropout, dropout=dropout, name="stream"
        )
        self.learned = nn.Embedding(2 * segments, width) if position == "learned" else None
        table = sinusoidal_positions(2 * segments, width) if position == "sinusoidal" else None
        # In buffers, so that stacked members can differ in the ordering.
        own = places(segments, ordering)
        self.register_buffer("places", own if position == "learned" else None, persistent=False)
        self.register_buffer("sinusoidal", None if table is None else table[own], persistent=False)

    def forward(
        self, question: Tensor, visual: Tensor, audio: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Ground question [B, D] in visual and audio [B, T, D].

        Returns:
            f_att [B, D], visual weights [B, T] and audio weights [B, T]; the weights of both
            sum to 1 together.
        """
        stream = torch.stack([visual, audio], dim=-2).flatten(-3, -2)  # Eq. 13
        if self.learned is not None and isinstance(self.places, Tensor):
            stream = stream + self.learned.weight[self.places]
        elif isinstance(self.sinusoidal, Tensor):
            stream = stream + self.sinusoidal
        attended, weights = self.attention(question, stream, noise)  # Eq. 14
        w_v, w_a = weights.unflatten(-1, (-1, 2)).unbind(dim=-1)
        return attended, w_v, w_a


class DualStream(nn.Module):
    """Table 7's counterpart: an attention for each modality; fusion comes afterwards."""

    def __init__(self, width: int, heads: int, *, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.visual = QuestionAttention(
            width, heads, attention_dropout=attention_dropout, dropout=dropout, name="visual"
        )
        self.audio = QuestionAttention(
            width, heads, attention_dropout=attention_dropout, dropout=dropout, name="audio"
        )

    def forward(
        self, question: Tensor, visual: Tensor, audio: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Ground question [B, D] in visual and audio [B, T, D], each on its own.

        Returns:
            attended visual and audio [B, D], then visual and audio weights [B, T], each of
            which sums to 1.
        """
        seen, visual_weights = self.visual(question, visual, noise)
        heard, audio_weights = self.audio(question, audio, noise)
        return seen, heard, visual_weights, audio_weights
