"""JTG, the joint temporal grounding of section 3.4 (Eq. 13-16), and Table 7's dual stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.protocol import Noise
from tass_core.systems.tass.config import Ordering, Position


def order_streams(visual: Tensor, audio: Tensor, *, ordering: Ordering) -> Tensor:
    """Join two streams into one (Eq. 13 and Table 6).

    Args:
        visual: [..., T, D].
        audio: [..., T, D].
        ordering: ``il-va`` is [v1; a1; ...; vT; aT], ``cat-va`` is [v1; ...; vT; a1; ...; aT];
            ``-av`` puts audio first.

    Returns:
        [..., 2T, D].
    """
    pattern, first = ordering.split("-")
    pair = [visual, audio] if first == "va" else [audio, visual]
    if pattern == "cat":
        return torch.cat(pair, dim=-2)
    return torch.stack(pair, dim=-2).flatten(-3, -2)


def split_streams(weights: Tensor, *, ordering: Ordering) -> tuple[Tensor, Tensor]:
    """Undo ``order_streams`` on the stream's weights (Eq. 18-19).

    Args:
        weights: [..., 2T].
        ordering: the ordering the stream was joined with.

    Returns:
        (visual [..., T], audio [..., T]).
    """
    pattern, first = ordering.split("-")
    if pattern == "cat":
        one, two = weights.chunk(2, dim=-1)
    else:
        one, two = weights.unflatten(-1, (-1, 2)).unbind(dim=-1)
    return (one, two) if first == "va" else (two, one)


def sinusoidal_positions(length: int, width: int) -> Tensor:
    """Return the usual sine and cosine positions: [length, width]."""
    position = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([torch.sin(position * rates), torch.cos(position * rates)], -1).flatten(1)


class SingleStream(nn.Module):
    """JTG: one attention over both modalities, which fuses and grounds at once."""

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
        self.ordering: Ordering = ordering
        self.attention = QuestionAttention(
            width, heads, attention_dropout=attention_dropout, dropout=dropout, name="stream"
        )
        self.learned = nn.Embedding(2 * segments, width) if position == "learned" else None
        table = sinusoidal_positions(2 * segments, width) if position == "sinusoidal" else None
        self.register_buffer("sinusoidal", table, persistent=False)

    def forward(
        self, question: Tensor, visual: Tensor, audio: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Ground question [B, D] in visual and audio [B, T, D].

        Returns:
            f_att [B, D], visual weights [B, T] and audio weights [B, T]; the weights of both
            sum to 1 together.
        """
        stream = order_streams(visual, audio, ordering=self.ordering)  # Eq. 13
        if self.learned is not None:
            stream = stream + self.learned.weight
        elif isinstance(self.sinusoidal, Tensor):
            stream = stream + self.sinusoidal
        attended, weights = self.attention(question, stream, noise)  # Eq. 14
        return attended, *split_streams(weights, ordering=self.ordering)


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
