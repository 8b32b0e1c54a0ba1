"""Attention: of a question to a sequence, and of a sequence to another or to itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tass_core.randomness import KeyedDropout
from tass_core.systems.protocol import Noise

HIDDEN = -1e9
"""The score of what is masked; where all is masked, all is equal, and nothing is undefined."""


class QuestionAttention(nn.Module):
    """The question attends to a stream (Eq. 14-15), with its feed-forward and LayerNorm.

    With one query the stream needs no keys and values of its own: q . (W_k x) is (W_k^T q) . x,
    and a weighted sum of W_v x is W_v of the weighted sum.
    """

    def __init__(
        self, width: int, heads: int, *, attention_dropout: float, dropout: float, name: str
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.feed_in = nn.Linear(width, width)
        self.feed_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.drop_weights = KeyedDropout(attention_dropout, f"{name}.weights")
        self.drop_hidden = KeyedDropout(dropout, f"{name}.hidden")
        self.drop_feed = KeyedDropout(dropout, f"{name}.feed")

    def forward(
        self, question: Tensor, stream: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor]:
        """Return (f_att [B, D], weights [B, L]) for question [B, D] and stream [B, L, D].

        There may be more dimensions after B in all of them. The weights are the heads' mean
        before dropout, so every row sums to 1.
        """
        query = self.query(question).unflatten(-1, (self.heads, -1))
        queries = torch.einsum("...hd,hdc->...hc", query, self._by_head(self.key.weight))
        scores = queries @ stream.transpose(-1, -2)
        scores = scores + (query * self._by_head(self.key.bias)).sum(dim=-1, keepdim=True)
        weights = (scores / math.sqrt(query.shape[-1])).softmax(dim=-1)  # Eq. 15
        kept = self.drop_weights(weights.unsqueeze(-2), noise).squeeze(-2)
        attended = torch.einsum("...hc,hdc->...hd", kept @ stream, self._by_head(self.value.weight))
        attended = attended + kept.sum(dim=-1, keepdim=True) * self._by_head(self.value.bias)
        attended = self.output(attended.flatten(-2))
        hidden = self.drop_hidden(torch.relu(self.feed_in(attended)), noise)
        feed = self.drop_feed(self.feed_out(hidden), noise)
        return self.norm(attended + feed), weights.mean(dim=-2)

    def _by_head(self, parameter: Tensor) -> Tensor:
        """Return [heads, D / heads, ...] of a parameter [D, ...]."""
        return parameter.view(self.heads, -1, *parameter.shape[1:])


class Attention(nn.Module):
    """softmax(q k / sqrt(d)) v in several heads, with dropout on the weights."""

    def __init__(self, width: int, heads: int, dropout: float, name: str) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.drop = KeyedDropout(dropout, f"{name}.weights")

    def forward(
        self,
        asking: Tensor,
        asked: Tensor,
        noise: Noise | None,
        hide: Tensor | None = None,
        values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Let one sequence ask another.

        Args:
            asking: [B, ..., n, D].
            asked: [B, ..., m, D].
            noise: of training; its rows are the B.
            hide: [B, ..., m], True where nothing is to be seen.
            values: [B, ..., m, D], what is seen, where it is not what is asked.

        Returns:
            [B, ..., n, D], and the weights before dropout [B, ..., heads, n, m].
        """
        seen = asked if values is None else values
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(-2, -3)
            for layer, x in ((self.query, asking), (self.key, asked), (self.value, seen))
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if hide is not None:
            scores = scores.masked_fill(hide[..., None, None, :], HIDDEN)
        weights = scores.softmax(dim=-1)
        attended = self.drop(weights, noise) @ value
        return self.output(attended.transpose(-2, -3).flatten(-2)), weights
