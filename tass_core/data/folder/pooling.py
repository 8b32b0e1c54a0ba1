"""Pooling segments by T2 (section 3.2): computed once, kept on disk, shared by processes."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from tass_core.config import Pooling
from tass_core.files import storage_errors, write_atomically

_BLOCK = 32 * 2**20

_log = logging.getLogger(__name__)


class RowSource(Protocol):
    """An array on disk that gives some of its rows at a time."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: slice) -> npt.NDArray[np.float16]:
        """Return the rows of a slice."""


def pool_segments(
    features: npt.NDArray[np.float16], t2: int, pooling: Pooling
) -> npt.NDArray[np.float16]:
    """Pool ``t2`` segments into one.

    Args:
        features: [V, T1, ...]; T1 is a multiple of t2.
        t2: segments pooled into one.
        pooling: ``mean`` (summed in float32) or ``stride`` (the first of every t2).

    Returns:
        [V, T1 / t2, ...]
    """
    if t2 == 1:
        return features
    if pooling == "stride":
        return features[:, ::t2]
    videos, segments = features.shape[:2]
    split = features.reshape(videos, segments // t2, t2, *features.shape[2:])
    pooled: npt.NDArray[np.float16] = split.mean(axis=2, dtype=np.float32).astype(np.float16)
    return pooled


def pooled_array(
    source: RowSource, name: str, folders: tuple[Path, ...], t2: int, pooling: Pooling
) -> npt.NDArray[np.float16]:
    """Return the pooled array, mapped from a cache file that is made when it is not there.

    Processes that want the same file at once wait for the one that makes it.

    Args:
        source: [V, T1, ...] float16.
        name: what the array is called, for instance ``clip/visual``.
        folders: where the cache file may be, the first writable one wins.
        t2: segments pooled into one.
        pooling: ``mean`` or ``stride``.

    Raises:
        DataError: none of the folders can be written, or the disk is full.
    """
    videos, segments = source.shape[:2]
    shape = (videos, segments // t2, *source.shape[2:])
    file = f"{name.replace('/', '-')}-t{t2}-{pooling}.npy"
    for folder in folders:
        found = _open_cached(folder / file, shape)
        if found is not None:
            return found
    for folder in folders[:-1]:
        if _writable(folder):
            return _make(source, folder / file, shape, t2, pooling)
        _log.info("%s cannot be written; the pooled features go elsewhere", folder)
    with storage_errors(folders[-1]):
        folders[-1].mkdir(parents=True, exist_ok=True)
    return _make(source, folders[-1] / file, shape, t2, pooling)


def _make(
    source: RowSource, path: Path, shape: tuple[int, ...], t2: int, pooling: Pooling
) -> npt.NDArray[np.float16]:
    with storage_errors(path), FileLock(path.with_name(path.name + ".lock")):
        found = _open_cached(path, shape)
        if found is None:
            _write_pooled(source, path, shape, t2, pooling)
            found = _open_cached(path, shape)
    assert found is not None
    return found


def _write_pooled(
    source: RowSource, path: Path, shape: tuple[int, ...], t2: int, pooling: Pooling
) -> None:
    # Written by plain writes, not through a map: a full disk is then an error, not a SIGBUS.
    with write_atomically(path) as partial, partial.open("wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        step = max(1, _BLOCK // (2 * int(np.prod(source.shape[1:]))))
        for start in range(0, source.shape[0], step):
            block = pool_segments(np.asarray(source[start : start + step]), t2, pooling)
            file.write(np.ascontiguousarray(block, dtype="<f2").data)


def _open_cached(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float16] | None:
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.dtype("<f2") else None


def _writable(folder: Path) -> bool:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True
