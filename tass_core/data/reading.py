"""Reading batches of rows from the mapped store into memory that is used again."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class RowReader:
    """Copies rows of a mapped float16 array into float32 buffers, in one pass each.

    A fresh 100 MB tensor for every batch costs many times the copy itself, since the system
    must provide and clear each of its pages; a buffer that is kept does not.

    Args:
        features: [V, ...] float16, as ``Dataset.features`` gives it.
        buffers: how many results stay valid at once; the call after that overwrites the oldest.
    """

    def __init__(self, features: npt.NDArray[np.float16], buffers: int = 3) -> None:
        with warnings.catch_warnings():
            # The map is read-only and so is our use of it.
            warnings.filterwarnings("ignore", message=".*not writable.*")
            self._features = torch.from_numpy(np.asarray(features))
        self._buffers: list[Tensor] = [torch.empty(0)] * buffers
        self._following = 0

    def read(self, rows: npt.NDArray[Any]) -> Tensor:
        """Return float32 [len(rows), ...], valid until ``buffers`` further calls."""
        shape = (len(rows), *self._features.shape[1:])
        place = self._following % len(self._buffers)
        self._following += 1
        if len(self._buffers[place]) < len(rows):
            self._buffers[place] = torch.empty(shape)
        found = self._buffers[place][: len(rows)]
        for target, row in zip(found, rows.tolist(), strict=True):
            target.copy_(self._features[row])
        return found
