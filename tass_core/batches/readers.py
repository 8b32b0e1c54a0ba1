"""Frames read from the mapped store into memory that is used again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tass_core.systems.protocol import Batch

Rows = npt.NDArray[Any]


class Reader(Protocol):
    """Gives frames where they are computed with."""

    def read(self, rows: Rows) -> Tensor:
        """Return [U, T, P, C], all segments of videos ``rows`` [U]; valid until the next call."""

    def pick(self, rows: Rows, segments: Rows) -> Tensor:
        """Return [..., P, C] float32: single segments of videos, both [...]."""


class Frames(Protocol):
    """The frames of a dataset, and how batches of them reach the device."""

    def reader(self, dtype: torch.dtype) -> Reader:
        """Return what gives them as ``dtype``."""

    def batches(
        self, count: int, build: Callable[[int], Batch], needed: Callable[[int], Rows]
    ) -> Iterator[Batch]:
        """Yield ``build(0)``, ``build(1)``, ... on the device; ``needed`` names a step's videos."""


class HostFrames:
    """Frames for the CPU, copied from the mapped store.

    Args:
        features: [V, T, P, C] float16, as ``Dataset.features`` gives them.
    """

    def __init__(self, features: npt.NDArray[np.float16]) -> None:
        self._features = features
        self._readers: dict[torch.dtype, RowReader] = {}

    def reader(self, dtype: torch.dtype) -> RowReader:
        """Return the one reader of a dtype, whose buffer all batches use."""
        if dtype not in self._readers:
            self._readers[dtype] = RowReader(self._features, dtype)
        return self._readers[dtype]

    def batches(
        self, count: int, build: Callable[[int], Batch], needed: Callable[[int], Rows]
    ) -> Iterator[Batch]:
        """Yield the batches; the system reads the next one's frames from the disk meanwhile.

        No thread reads ahead here: it would take its time from the cores that train.
        """
        for step in range(count):
            if step + 1 < count:
                self._prefetch(needed(step + 1))
            yield build(step)

    def _prefetch(self, rows: Rows) -> None:
        """Ask the system for rows of the file; returns at once."""
        if not isinstance(self._features, np.memmap) or not hasattr(os, "posix_fadvise"):
            return
        path, start = self._features.filename, self._features.offset
        size = self._features.nbytes // len(self._features)
        with Path(str(path)).open("rb", buffering=0) as file:
            for row in rows.tolist():
                os.posix_fadvise(file.fileno(), start + row * size, size, os.POSIX_FADV_WILLNEED)


class RowReader:
    """Copies rows of a mapped float16 array into one buffer, in one pass.

    A fresh 100 MB tensor for every batch costs many times the copy itself, since the system
    must provide and clear each of its pages; a buffer that is kept does not.

    Args:
        features: [V, ...] float16.
        dtype: of what is read; bfloat16 rounds once, from float32.
    """

    def __init__(
        self, features: npt.NDArray[np.float16], dtype: torch.dtype = torch.float32
    ) -> None:
        self._features = features
        self._rows = as_tensor(features)
        self._dtype = dtype
        self._buffer = torch.empty(0)
        self._exact = torch.empty(features.shape[1:])

    def read(self, rows: Rows) -> Tensor:
        """Return [len(rows), ...], valid until the next call."""
        if len(self._buffer) < len(rows):
            self._buffer = torch.empty((len(rows), *self._rows.shape[1:]), dtype=self._dtype)
        found = self._buffer[: len(rows)]
        for target, row in zip(found, rows.tolist(), strict=True):
            if self._dtype == torch.bfloat16:  # torch is slow from float16 to bfloat16
                target.copy_(self._exact.copy_(self._rows[row]))
            else:
                target.copy_(self._rows[row])
        return found

    def pick(self, rows: Rows, segments: Rows) -> Tensor:
        """Return [..., P, C] float32 in memory of its own."""
        return torch.from_numpy(np.asarray(self._features[rows, segments])).float()


def as_tensor(features: npt.NDArray[np.float16]) -> Tensor:
    """Return a tensor on a read-only array, which nobody may write to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(np.asarray(features))
