"""The ``.npy`` layouts in which public code shares features, recognised by their shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tass_core.data.folder.columns import to_half
from tass_core.errors import DataError

Array = npt.NDArray[Any]
Axes = Literal["TCHW", "THWC", "TPC", "TCP", "TC"]

_CLASS_TOKEN_GRIDS = {50: 7, 197: 14, 257: 16, 577: 24}
_FEWEST_CHANNELS = 128


@dataclass(frozen=True, slots=True)
class MapShape:
    """How one encoder's files hold a video's region maps."""

    axes: Axes
    grid: tuple[int, int]
    channels: int
    class_token: bool
    """Whether the first token stands for the whole frame and is dropped."""

    def __str__(self) -> str:
        height, width = self.grid
        token = ", class token dropped" if self.class_token else ""
        axes = ",".join(self.axes)
        return f"{height}x{width} maps of {self.channels} channels, axes [{axes}]{token}"


def recognise(shape: tuple[int, ...]) -> MapShape:
    """Recognise a video's maps by their shape, the number of segments aside.

    ========================  =======================================================
    [T, C, H, W]              ResNet-18 maps of AVST and TJSTG, [60 or 10, 512, 14, 14]
    [T, H, W, C]              the same, channels last
    [T, 1 + P, C]             CLIP tokens of PSTP, class token first, [T, 50, 512]
    [T, P, C], [T, C, P]      regions in one axis; P not a square is one row (TSPM, 14)
    [T, C]                    one feature a frame (TSPM, [60, 768])
    ========================  =======================================================

    Raises:
        DataError: the shape is none of these.
    """
    if len(shape) == 4 and min(shape) > 0:
        return _recognise_maps(shape)
    if len(shape) == 3 and min(shape) > 0:
        return _recognise_tokens(shape)
    if len(shape) == 2 and min(shape) > 0:
        return MapShape("TC", (1, 1), shape[1], class_token=False)
    raise DataError(
        f"shape {list(shape)} is no known layout of region maps; known: [T,C,H,W], [T,H,W,C], "
        "[T,P,C], [T,1+P,C], [T,C,P], [T,C]"
    )


def arrange(array: Array, layout: MapShape) -> Array:
    """Return a video's maps as float16 [T, P, C] in one piece.

    Raises:
        DataError: a value is NaN, infinite or beyond float16.
    """
    half = to_half(array)
    if layout.class_token:
        half = half[:, 1:]
    if layout.axes in ("TCHW", "TCP"):
        half = half.reshape(half.shape[0], layout.channels, -1).transpose(0, 2, 1)
    return np.ascontiguousarray(
        half.reshape(half.shape[0], layout.grid[0] * layout.grid[1], layout.channels)
    )


def read_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of a ``.npy`` file, making sure that it is whole.

    Raises:
        DataError: the file is missing, no ``.npy`` file, cut short, or does not hold floats.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _fortran, kind = read(file)
            expected = file.tell() + math.prod(shape) * kind.itemsize
        size = path.stat().st_size
    except FileNotFoundError:
        raise DataError("the file is missing") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None
    except Exception as error:  # NumPy parses the header as Python, whose errors are many
        raise DataError(f"not a .npy file ({str(error)[:100]})") from None
    if kind.kind != "f":
        raise DataError(f"holds {kind}, not floating-point numbers")
    if size < expected:
        raise DataError(f"cut short: {size} bytes of {expected}")
    return shape, kind


def read_array(path: Path) -> Array:
    """Read a ``.npy`` file of floats.

    Raises:
        DataError: as ``read_header``.
    """
    read_header(path)
    try:
        found: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"cannot be read ({str(error)[:100]})") from None
    return found


def _recognise_maps(shape: tuple[int, ...]) -> MapShape:
    _, second, third, fourth = shape
    first, last = third == fourth, second == third
    if first and last:
        raise DataError(f"shape {list(shape)}: which axis holds the channels cannot be told")
    if first or (not last and second > max(third, fourth)):
        return MapShape("TCHW", (third, fourth), second, class_token=False)
    return MapShape("THWC", (second, third), fourth, class_token=False)


def _recognise_tokens(shape: tuple[int, ...]) -> MapShape:
    _, second, third = shape
    if second in _CLASS_TOKEN_GRIDS and third >= _FEWEST_CHANNELS:
        side = _CLASS_TOKEN_GRIDS[second]
        return MapShape("TPC", (side, side), third, class_token=True)
    if math.isqrt(third) ** 2 == third < _FEWEST_CHANNELS * 2 <= second:
        return MapShape("TCP", _grid(third), second, class_token=False)
    return MapShape("TPC", _grid(second), third, class_token=False)


def _grid(regions: int) -> tuple[int, int]:
    side = math.isqrt(regions)
    return (side, side) if side * side == regions else (1, regions)
