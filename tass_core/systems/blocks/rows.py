"""Rows that several questions share."""

from __future__ import annotations

from torch import Tensor


def take(values: Tensor, places: Tensor) -> Tensor:
    """Return ``values[places]``, whose gradient is the same to the bit every time.

    Where a row is taken several times its gradients add up. For indexing several threads of a
    CPU do so in the order in which they come, for ``index_select`` a GPU's do.

    Args:
        values: [R, ...].
        places: [B] int64.

    Returns:
        [B, ...].
    """
    return values[places] if values.is_cuda else values.index_select(0, places)
