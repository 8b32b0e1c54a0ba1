"""Factor graph attention (Schwartz et al., 2019).

A *utility* is a set of items, such as words or the regions of a frame. Its *potentials* score every
item: by itself (unary), by how it agrees with its own utility and with every other one, and by what
is known before (prior). Several *views* may share a utility's layers, such as all frames; each of
them gives every other utility a potential.

Items are [B, G, L, D]: G views of L items. ``hide`` [B, G, L] is True where a view has no item,
or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.protocol import Noise


class FactorGraphAttention(nn.Module):
    """Utilities that attend to their items, the first of which is the question.

    Args:
        views: G of every utility.
        width: D of every item.
        dropout: inside the unary potentials.
    """

    def __init__(self, views: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        self.unary = nn.ModuleList(
            Unary(width, dropout, f"unary.{place}") for place in range(len(views))
        )
        self.within = nn.ModuleList(Within(width) for _ in views)
        self.places = list(combinations(range(len(views)), 2))
        self.pairs = nn.ModuleList(Pair(width) for _ in self.places)
        others = [sum(views) - own for own in views]
        self.mix = nn.ModuleList(nn.Linear(3 + other, 1, bias=False) for other in others)

    def forward(
        self, utilities: Sequence[Tensor], padding: Tensor, prior: Tensor, noise: Noise | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return every utility's attended item [B, G, D], and its weights [B, G, L].

        Args:
            utilities: [B, G, L, D] each.
            padding: [B, L], True where the question has no word.
            prior: [B, L], the question's; the others have none, which is 0.
            noise: of training.
        """
        hide = [padding.unsqueeze(1), *[None] * (len(utilities) - 1)]
        potentials: list[list[Tensor]] = []
        for items, hidden, unary, within in zip(
            utilities, hide, self.unary, self.within, strict=True
        ):
            alone = unary(items, noise)
            known = torch.zeros_like(alone) if potentials else prior.unsqueeze(1)
            scores = alone, within(items, hidden), known
            potentials.append([score.unsqueeze(2) for score in scores])
        for (one, other), between in zip(self.places, self.pairs, strict=True):
            of_one, of_other = between(utilities[one], utilities[other], hide[one], hide[other])
            potentials[one].append(of_one)
            potentials[other].append(of_other)
        attended, weights = [], []
        for items, hidden, found, mix in zip(utilities, hide, potentials, self.mix, strict=True):
            scores = mix(torch.cat(found, dim=2).transpose(2, 3)).squeeze(-1)
            if hidden is not None:
                scores = scores.masked_fill(hidden, -torch.inf)
            weights.append(scores.softmax(dim=-1))
            attended.append((weights[-1].unsqueeze(2) @ items).squeeze(2))
        return attended, weights


class Unary(nn.Module):
    """What an item is worth by itself: a small net's score."""

    def __init__(self, width: int, dropout: float, name: str) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.drop = KeyedDropout(dropout, name)
        self.score = nn.Linear(width, 1)

    def forward(self, items: Tensor, noise: Noise | None) -> Tensor:
        """Return [B, G, L]."""
        scores: Tensor = self.score(self.drop(torch.relu(self.hidden(items)), noise))
        return scores.squeeze(-1)


class Pair(nn.Module):
    """How the items of two utilities agree: the mean of an item's cosines with the other's items.

    The mean of the cosines is the product with the mean of the items at length 1, so that no
    table of all pairs is made.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Linear(width, width)
        self.other = nn.Linear(width, width)

    def forward(
        self, one: Tensor, other: Tensor, hide_one: Tensor | None, hide_other: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the potentials of both: [B, G, H, L] and [B, H, G, M], in [-1, 1].

        Args:
            one: [B, G, L, D].
            other: [B, H, M, D].
            hide_one: [B, G, L] or None.
            hide_other: [B, H, M] or None.
        """
        one = functional.normalize(self.one(one), dim=-1)
        other = functional.normalize(self.other(other), dim=-1)
        of_one = one @ _mean(other, hide_other).unsqueeze(1).transpose(-1, -2)
        of_other = other @ _mean(one, hide_one).unsqueeze(1).transpose(-1, -2)
        return of_one.transpose(-1, -2), of_other.transpose(-1, -2)


class Within(nn.Module):
    """How the items of a view agree with each other, as ``Pair`` tells it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Linear(width, width)
        self.other = nn.Linear(width, width)

    def forward(self, items: Tensor, hide: Tensor | None) -> Tensor:
        """Return the potentials [B, G, L] of items [B, G, L, D]."""
        asked = _mean(functional.normalize(self.other(items), dim=-1), hide)
        asking = functional.normalize(self.one(items), dim=-1)
        return (asking @ asked.unsqueeze(-1)).squeeze(-1)


def _mean(items: Tensor, hide: Tensor | None) -> Tensor:
    """Return [B, G, D], the mean of the items [B, G, L, D] that are not hidden."""
    if hide is None:
        return items.mean(dim=2)
    shown = (~hide).to(items.dtype)
    weights = shown / shown.sum(dim=-1, keepdim=True)
    return (weights.unsqueeze(2) @ items).squeeze(2)
