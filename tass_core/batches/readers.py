"""Reading batches of rows from the mapped store into memory that is used again."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Rows = npt.NDArray[Any]


class RowReader:
    """Copies rows of a mapped float16 array into one buffer, in one pass.

    A fresh 100 MB tensor for every batch costs many times the copy itself, since the system
    must provide and clear each of its pages; a buffer that is kept does not.

    Args:
        features: [V, ...] float16, as ``Dataset.features`` gives it.
        dtype: of what is read; bfloat16 rounds once, from float32.
    """

    def __init__(
        self, features: npt.NDArray[np.float16], dtype: torch.dtype = torch.float32
    ) -> None:
        self._store = features
        self._rows = as_tensor(features)
        self._dtype = dtype
        self._buffer = torch.empty(0)
        self._exact = torch.empty(features.shape[1:])

    def expect(self, rows: Rows) -> None:
        """Let the system read rows from the disk in the background; returns at once."""
        if not isinstance(self._store, np.memmap) or not hasattr(os, "posix_fadvise"):
            return
        path, start = self._store.filename, self._store.offset
        size = self._store.nbytes // len(self._store)
        with Path(str(path)).open("rb", buffering=0) as file:
            for row in rows.tolist():
                os.posix_fadvise(file.fileno(), start + row * size, size, os.POSIX_FADV_WILLNEED)

    def read(self, rows: Rows) -> Tensor:
        """Return [len(rows), ...], valid until the next call."""
        if len(self._buffer) < len(rows):
            self._buffer = torch.empty((len(rows), *self._rows.shape[1:]), dtype=self._dtype)
        found = self._buffer[: len(rows)]
        for target, row in zip(found, rows.tolist(), strict=True):
            if self._dtype == torch.bfloat16:  # the library is slow from float16 to bfloat16
                target.copy_(self._exact.copy_(self._rows[row]))
            else:
                target.copy_(self._rows[row])
        return found


def as_tensor(features: npt.NDArray[np.float16]) -> Tensor:
    """Return a tensor on a read-only array, which nobody may write to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.asarray(features))
