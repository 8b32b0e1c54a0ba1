"""Layers on sequences of tokens, of themselves and of others: x <- LN(x + what was attended)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.attention import Attention
from tass_core.systems.protocol import Noise

Activation = Literal["relu", "gelu"]


class FusionLayer(nn.Module):
    """x <- LN(x + SA(x) + sum_j CA_j(x; y_j)), then x <- LN(x + FFN(x)).

    With no others it is a transformer's encoder layer, with one the hybrid attention of two
    modalities (HAN), with two that of two modalities and the words.

    Args:
        width: D.
        heads: of every attention.
        dropout: of the weights, the hidden layer and every branch.
        name: keeps its dropout apart from other layers'.
        hidden: width of the feed-forward net.
        others: sequences that are attended to beside the layer's own.
        activation: of the feed-forward net.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float,
        name: str,
        *,
        hidden: int,
        others: int = 0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.own = Attention(width, heads, dropout, f"{name}.own")
        self.others = nn.ModuleList(
            Attention(width, heads, dropout, f"{name}.other.{i}") for i in range(others)
        )
        self.drops = nn.ModuleList(
            KeyedDropout(dropout, f"{name}.branch.{i}") for i in range(1 + others)
        )
        self.feed_in = nn.Linear(width, hidden)
        self.feed_out = nn.Linear(hidden, width)
        self.drop_hidden = KeyedDropout(dropout, f"{name}.hidden")
        self.drop_feed = KeyedDropout(dropout, f"{name}.feed")
        self.norm, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.activation = torch.relu if activation == "relu" else functional.gelu

    def forward(
        self,
        tokens: Tensor,
        noise: Noise | None,
        hide: Tensor | None = None,
        others: Sequence[tuple[Tensor, Tensor | None]] = (),
    ) -> Tensor:
        """Return [B, ..., n, D].

        Args:
            tokens: x [B, ..., n, D].
            noise: of training.
            hide: [B, ..., n], True where a token is none.
            others: y_j [B, ..., m, D], and [B, ..., m] where of them nothing is to be seen.
        """
        attended = [self.own(tokens, tokens, noise, hide)[0]]
        for layer, (other, empty) in zip(self.others, others, strict=True):
            attended.append(layer(tokens, other, noise, empty)[0])
        for drop, branch in zip(self.drops, attended, strict=True):
            tokens = tokens + drop(branch, noise)
        tokens = self.norm(tokens)
        hidden = self.drop_hidden(self.activation(self.feed_in(tokens)), noise)
        found: Tensor = self.norm_feed(tokens + self.drop_feed(self.feed_out(hidden), noise))
        return found


def mean_of_shown(tokens: Tensor, hide: Tensor) -> Tensor:
    """Return [B, D], the mean of tokens [B, n, D] but those that [B, n] hides."""
    shown = (~hide).to(tokens.dtype).unsqueeze(-1)
    return (tokens * shown).sum(dim=1) / shown.sum(dim=1)
