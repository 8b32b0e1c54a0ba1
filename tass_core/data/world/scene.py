"""Scenes of the music world: who stands where on the stage, and who plays when and how loud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

ENSEMBLES: tuple[tuple[str, ...], ...] = (
    ("violin", "cello", "piano", "flute"),
    ("acoustic_guitar", "ukulele", "banjo", "violin"),
    ("electric_bass", "drum", "saxophone", "trumpet"),
    ("erhu", "pipa", "guzheng", "suona"),
    ("clarinet", "bassoon", "flute", "saxophone"),
    ("tuba", "trumpet", "drum", "xylophone"),
    ("accordion", "piano", "violin", "clarinet"),
    ("bagpipe", "drum", "congas", "accordion"),
)
"""Instruments that like each other's company; every instrument is in at least one."""

TEXTURES = 8
"""Kinds of background clutter that are no instrument."""

AMBIENCES = 8
"""Kinds of background sound: a crowd, a room, traffic."""


@dataclass(frozen=True, slots=True)
class Source:
    """One instrument of a scene, on the stage or only heard.

    Positions and sizes are in cells; the stage spans x from 0 (left) to the grid's width.
    """

    instrument: str
    x: float
    """The centre over the whole video; it decides left, middle or right."""
    y: float
    width: float
    height: float
    drift: float
    """How far the centre moves to the right from the first second to the last."""
    visible: bool
    """False for a sound from off the stage (a voiceover)."""
    loudness: Floats
    """[T1] loudness by second; 0 is silence."""
    rhythm: float
    """How rhythmic the playing is, from 0 to 1."""
    fidget: Floats
    """[T1] motion that looks like playing and makes no sound, from 0 to 1."""

    @property
    def sounding(self) -> Bools:
        """[T1] whether it is heard."""
        return self.loudness > 0

    @property
    def sounds(self) -> bool:
        """Whether it is ever heard."""
        return bool(self.sounding.any())


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of background clutter: a texture, or something that looks like an instrument."""

    x: int
    y: int
    width: int
    height: int
    kind: int
    """Texture number below ``TEXTURES``; from there on, ``TEXTURES`` + the instrument's place."""
    strength: float


@dataclass(frozen=True, slots=True)
class Cutaway:
    """Other footage that an edited video cuts to; its questions are never about it.

    It bears a mark of its own in picture and sound, so that it can be told apart.
    """

    scene: Scene
    shown: Bools
    """[T1] the seconds in which it hides the performance."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A video of the world before anything is rendered."""

    sources: tuple[Source, ...]
    place: str
    """``indoor`` or ``outdoor``."""
    clutter: tuple[Patch, ...]
    ambience: int
    """Which of the ``AMBIENCES`` is in the background."""
    seconds: int
    """T1."""
    grid: tuple[int, int]
    """Rows and columns of the stage."""
    cutaway: Cutaway | None = None

    @property
    def visible(self) -> list[Source]:
        """The instruments on the stage."""
        return [source for source in self.sources if source.visible]


def side(source: Source, grid: tuple[int, int]) -> str | None:
    """Return the third of the stage a source stands in, or None at the edge of two thirds."""
    place = source.x / grid[1] * 3
    if abs(place - 1) < 0.12 or abs(place - 2) < 0.12:
        return None
    return ("left", "middle", "right")[min(int(place), 2)]


def coverage(source: Source, seconds: int, grid: tuple[int, int]) -> Floats:
    """Return how much of every cell a source covers in every second: [T1, rows, columns]."""
    rows, columns = grid
    shift = np.linspace(-0.5, 0.5, seconds) * source.drift
    down = _overlap(np.array([source.y]), source.height, rows)
    across = _overlap(source.x + shift, source.width, columns)
    covered: Floats = (down[:, :, None] * across[:, None, :]).astype(np.float32)
    return covered


def _overlap(centres: npt.NDArray[Any], size: float, cells: int) -> npt.NDArray[Any]:
    edges = np.arange(cells)[None]
    low, high = (centres - size / 2)[:, None], (centres + size / 2)[:, None]
    shared: npt.NDArray[Any] = np.minimum(edges + 1, high) - np.maximum(edges, low)
    return shared.clip(0, 1)
