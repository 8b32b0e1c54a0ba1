"""Rows that several questions share."""

from __future__ import annotations

import torch
from torch import Tensor

from tass_core.systems.protocol import Batch, Noise


def of_videos(batch: Batch, noise: Noise | None) -> Noise | None:
    """Return the noise of layers that see the owned videos once for all questions on them."""
    if noise is None or batch.visual is None:
        return None
    rows = torch.arange(len(batch.visual), device=noise.rows.device)
    return Noise(noise.key, rows + batch.first_video)


def again(noise: Noise | None, time: int) -> Noise | None:
    """Return other noise, for a layer that is used several times in one step."""
    return noise if noise is None else Noise(noise.key + time * 0x9E3779B9, noise.rows)


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
