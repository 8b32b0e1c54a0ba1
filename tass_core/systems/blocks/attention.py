"""A question's attention to a sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tass_core.randomness import KeyedDropout
from tass_core.systems.protocol import Noise


class QuestionAttention(nn.Module):
    """The question attends to a stream (Eq. 14-15), with its feed-forward and LayerNorm."""

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

        The weights are the heads' mean before dropout, so every row sums to 1.
        """
        query = self.query(question).unflatten(-1, (self.heads, 1, -1))
        key = self.key(stream).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        value = self.value(stream).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.softmax(dim=-1)  # Eq. 15
        attended = self.drop_weights(weights, noise) @ value
        attended = self.output(attended.flatten(1))
        hidden = self.drop_hidden(torch.relu(self.feed_in(attended)), noise)
        feed = self.drop_feed(self.feed_out(hidden), noise)
        return self.norm(attended + feed), weights.squeeze(2).mean(dim=1)
