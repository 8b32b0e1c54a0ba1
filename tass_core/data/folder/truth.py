"""The truth of procedural questions: reading it, pooling it, spreading it over finer grids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tass_core.data.folder.records import Truth
from tass_core.errors import DataError


def read_truth(path: Path, rows: slice) -> Truth:
    """Read some questions' rows of ``truth.h5``, at T1 segments."""
    with h5py.File(path, "r") as store:
        count = int(store["regions"].attrs["regions"])
        packed, segments = store["regions"][rows], store["segments"][rows]
    return Truth(np.unpackbits(packed, axis=-1, count=count).astype(bool), segments.astype(bool))


def write_truth(
    path: Path, parts: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]], regions: int
) -> None:
    """Write (regions packed to bits [Q, T1, bytes], segments [Q, T1]) of the splits in order."""
    with h5py.File(path, "w") as store:
        packed = np.concatenate([part[0] for part in parts])
        store.create_dataset("regions", data=packed, compression="gzip", compression_opts=1)
        store.create_dataset("segments", data=np.concatenate([part[1] for part in parts]))
        store["regions"].attrs["regions"] = regions


def pool_truth(truth: Truth, segments: int) -> Truth:
    """Pool to fewer segments; one is true when any of its seconds is.

    Raises:
        DataError: the truth's segments are no multiple of ``segments``.
    """
    questions, seconds, count = truth.regions.shape
    if segments < 1 or seconds % segments:
        raise DataError(f"truth at {segments} segments: {seconds} are no multiple of it")
    regions = truth.regions.reshape(questions, segments, seconds // segments, count)
    kept = truth.segments.reshape(questions, segments, seconds // segments)
    return Truth(np.any(regions, axis=2), np.any(kept, axis=2))


def spread_truth(truth: Truth, grid: tuple[int, int], regions: int) -> Truth:
    """Repeat every region over the regions of a grid finer by a whole factor.

    Raises:
        DataError: no such grid has that many regions.
    """
    height, width = grid
    factor = round((regions / (height * width)) ** 0.5)
    if factor < 1 or height * width * factor**2 != regions:
        raise DataError(f"truth at {regions} regions: no finer {height}x{width} grid has them")
    maps = truth.regions.reshape(*truth.regions.shape[:2], height, width)
    finer = maps.repeat(factor, axis=2).repeat(factor, axis=3)
    return Truth(finer.reshape(*truth.regions.shape[:2], regions), truth.segments)
