"""A few of many items, chosen by attention weights."""

from __future__ import annotations

import torch
from torch import Tensor

from tass_core.systems.protocol import Selection


def choose(weights: Tensor, count: int, how: Selection) -> tuple[Tensor, Tensor | None]:
    """Return which items weigh most, and what to multiply them by.

    Args:
        weights: [..., n], which sum to 1.
        count: k, at most n.
        how: see ``Selection``.

    Returns:
        Their places [..., k] in ascending order, and factors [..., k], or None. Equal weights give
        factors of 1.
    """
    places = weights.topk(count, dim=-1).indices.sort(dim=-1).values
    if how == "hard":
        return places, None
    factors = weights.shape[-1] * weights.gather(-1, places)
    return places, factors if how == "soft" else 1.0 + factors - factors.detach()


def pick(items: Tensor, places: Tensor, factors: Tensor | None) -> Tensor:
    """Return the chosen items.

    Args:
        items: [..., n, D].
        places: [..., k].
        factors: [..., k], or None.

    Returns:
        [..., k, D].
    """
    wide = places.unsqueeze(-1).expand(*places.shape, items.shape[-1])
    found = torch.gather(items, -2, wide)
    return found if factors is None else found * factors.unsqueeze(-1)
