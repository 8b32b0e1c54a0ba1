"""The large arrays of ``features.h5``: written row by row, read through block by block."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Look = Callable[[int, Array], None]
"""Called with the first row of a block of rows, and the block."""

_ALIGNMENT = 4096
_BLOCK = 16 * 2**20


class ArrayStream:
    """Contiguous float16 arrays of an HDF5 file, filled row by row.

    HDF5 lays the arrays out once; the rows then go straight to their place in the file, and a
    reader can map them into memory. HDF5's own writes take as long, but a disk that fills up
    under them ends the process with a segmentation fault. Only one row is held at a time.

    Args:
        path: the file to make.
        shapes: shape of one row, by array name.
        rows: how many rows may come.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]], rows: int) -> None:
        self.path = path
        self.shapes = dict(shapes)
        self.capacity = rows
        self.rows = 0
        self._sums = {name: hashlib.sha256() for name in shapes}
        self._offsets = _lay_out(path, self.shapes, rows)
        self._file: BinaryIO | None = path.open("r+b", buffering=0)

    def append(self, arrays: Mapping[str, Array]) -> None:
        """Write the next row of every array; they are contiguous float16 of the right shape."""
        assert self._file is not None
        for name, array in arrays.items():
            data = array.data.cast("B")
            _write_at(self._file, self._offsets[name] + self.rows * len(data), data)
            self._sums[name].update(data)
        self.rows += 1

    def finish(self) -> dict[str, str]:
        """Close the file, cut it to the rows that came, and return the SHA-256 of each array."""
        self.close()
        if self.rows < self.capacity:
            self._rewrite()
        return {name: found.hexdigest() for name, found in self._sums.items()}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self) -> None:
        """Copy the rows that came to a file laid out for them: HDF5 cannot shrink in place."""
        smaller = self.path.with_name(self.path.name + ".smaller")
        offsets = _lay_out(smaller, self.shapes, self.rows)
        with self.path.open("rb") as source, smaller.open("r+b", buffering=0) as target:
            for name, shape in self.shapes.items():
                left = self.rows * _row_bytes(shape)
                source.seek(self._offsets[name])
                place = offsets[name]
                while left:
                    block = source.read(min(left, _BLOCK))
                    _write_at(target, place, memoryview(block))
                    place += len(block)
                    left -= len(block)
        smaller.replace(self.path)


def sha256_array(array: Any, look: Look | None = None) -> str:
    """Return the SHA-256 of an array's bytes; ``look`` sees every block on the way."""
    found = hashlib.sha256()
    row_bytes = max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize)
    step = max(1, _BLOCK // row_bytes)
    for start in range(0, len(array), step):
        block = np.ascontiguousarray(array[start : start + step])
        found.update(block.data)
        if look is not None:
            look(start, block)
    return found.hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _lay_out(path: Path, shapes: Mapping[str, tuple[int, ...]], rows: int) -> dict[str, int]:
    """Make the file with room for ``rows`` rows and return where each array begins."""
    needed = sum(rows * _row_bytes(shape) for shape in shapes.values())
    space = os.statvfs(path.parent)
    if needed > space.f_bavail * space.f_frsize:
        free = space.f_bavail * space.f_frsize
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed, {free:,} are free")
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_alignment(_ALIGNMENT, _ALIGNMENT)
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)  # the same arrays give the same file
    identifier = h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=creation, fapl=access)
    offsets = {}
    with h5py.File(identifier) as store:
        for name, shape in shapes.items():
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            plan.set_obj_track_times(False)
            group = store.require_group(name.rpartition("/")[0] or "/")
            space_id = h5py.h5s.create_simple((rows, *shape))
            made = h5py.h5d.create(
                group.id,
                name.rpartition("/")[2].encode(),
                h5py.h5t.IEEE_F16LE,
                space_id,
                dcpl=plan,
            )
            offsets[name] = int(made.get_offset())
    return offsets


def _row_bytes(shape: tuple[int, ...]) -> int:
    return 2 * int(np.prod(shape))


def _write_at(file: BinaryIO, place: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(file.fileno(), data[written:], place + written)
