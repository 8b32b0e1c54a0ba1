"""Drawing a scene: backdrop, props and instruments, frame by frame."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.data.extract.extra import need
from tass_core.data.media.ingredients import PROPS, SEEN_PICTURES, Picture, find_file
from tass_core.data.world.scene import TEXTURES, Scene, Source

WIDTH, HEIGHT = 448, 320
"""Of a frame, in pixels."""

SWING = 14.0
"""Degrees by which a player moves to either side at loudness one."""

TURNED = 20.0
"""Largest angle in degrees at which an instrument is held."""

LETTERBOX = 24
"""Height in pixels of the black bars that mark a cutaway."""

_RASTER = 240
"""Longer side in pixels of a drawing kept in memory."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prop:
    """An instrument of a scene as a drawing that is held in some way."""

    source: Source
    picture: Picture
    image: Any
    """RGBA, turned and mirrored as it is held, as large as it is shown."""
    phase: float
    """Where in its swing it begins, from 0 to 1."""


def cast_scene(
    rng: np.random.Generator, scene: Scene, pictures: Mapping[str, Sequence[Picture]]
) -> tuple[Scene, tuple[Prop, ...]]:
    """Choose a drawing for every instrument on the stage, and fit its place to the drawing.

    Returns:
        The scene with the places' widths and heights as they are drawn, and the drawings of its
        visible sources in order.
    """
    props, sources = [], []
    for source in scene.sources:
        if source.visible:
            prop = _hold(rng, source, pictures[source.instrument], scene.grid)
            source = prop.source
            props.append(prop)
        sources.append(source)
    return replace(scene, sources=tuple(sources)), tuple(props)


def _hold(
    rng: np.random.Generator, source: Source, choice: Sequence[Picture], grid: tuple[int, int]
) -> Prop:
    picture = choice[int(rng.integers(len(choice)))]
    image = raster(picture)
    if rng.random() < 0.5:
        image = image.transpose(need("PIL.Image", "render").Transpose.FLIP_LEFT_RIGHT)
    image = _trimmed(_turned(image, float(rng.uniform(-TURNED, TURNED))))
    across, down = WIDTH / grid[1], HEIGHT / grid[0]
    scale = min(source.width * across / image.width, source.height * down / image.height)
    size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    fitted = replace(source, width=size[0] / across, height=size[1] / down)
    return Prop(fitted, picture, image.resize(size), float(rng.random()))


def draw_scene(
    rng: np.random.Generator, scene: Scene, props: Sequence[Prop], fps: int
) -> Iterator[Image]:
    """Draw a scene with its cutaways, frame by frame: [HEIGHT, WIDTH, 3] each.

    Args:
        rng: the source of the backdrops, and of whom the cutaways show.
        scene: as ``cast_scene`` returned it.
        props: the drawings of its visible sources.
        fps: frames a second.
    """
    shots = [partial(_draw, scene, _Backdrop(rng, scene), props)]
    if scene.cutaway is not None:
        other, actors = cast_scene(rng, scene.cutaway.scene, SEEN_PICTURES)
        shots.append(partial(_draw, other, _Backdrop(rng, other), actors, marked=True))
    for frame in range(scene.seconds * fps):
        cut = scene.cutaway is not None and bool(scene.cutaway.shown[frame // fps])
        yield shots[cut](frame / fps)


class _Backdrop:
    """What is behind the instruments of a scene: a room or a meadow, with things standing about."""

    def __init__(self, rng: np.random.Generator, scene: Scene) -> None:
        self._image = _room(rng) if scene.place == "indoor" else _meadow(rng)
        for patch in scene.clutter:
            if patch.kind < TEXTURES:
                rows, columns = scene.grid
                box = np.array([patch.width / columns * WIDTH, patch.height / rows * HEIGHT])
                image = raster(PROPS[patch.kind])
                scale = patch.strength * min(box[0] / image.width, box[1] / image.height)
                size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
                corner = round(patch.x / columns * WIDTH), round(patch.y / rows * HEIGHT)
                shown = image.resize(size)
                self._image.paste(shown, corner, shown)

    def copy(self) -> Any:
        """Return an image to draw on."""
        return self._image.copy()


def _draw(
    scene: Scene, backdrop: _Backdrop, props: Sequence[Prop], at: float, *, marked: bool = False
) -> Image:
    """Draw a moment of a scene, so many seconds from its beginning."""
    image = backdrop.copy()
    second = min(int(at), scene.seconds - 1)
    for prop in props:
        left, top, shown = _placed(scene, prop, second, at)
        image.paste(shown, (left, top), shown)
    pixels = np.asarray(image, dtype=np.uint8).copy()
    if marked:
        pixels[:LETTERBOX] = pixels[-LETTERBOX:] = 0
    return pixels


def _placed(scene: Scene, prop: Prop, second: int, at: float) -> tuple[int, int, Any]:
    """Return the corner and the image of an instrument: who plays swings, faster if rhythmic."""
    source = prop.source
    moving = min(float(source.loudness[second] + source.fidget[second]), 1.5)
    shown = prop.image
    if moving > 0:
        pace = 0.7 + 1.6 * source.rhythm
        shown = _turned(shown, SWING * moving * np.sin(2 * np.pi * (pace * at + prop.phase)))
    rows, columns = scene.grid
    share = (at - 0.5) / (scene.seconds - 1)  # a second's place is that of its middle
    x = (source.x + (share - 0.5) * source.drift) / columns * WIDTH
    y = source.y / rows * HEIGHT
    return round(x - shown.width / 2), round(y - shown.height / 2), shown


@cache
def raster(picture: Picture) -> Any:
    """Return a drawing as RGBA, cut to what is drawn."""
    svg, image = need("resvg_py", "render"), need("PIL.Image", "render")
    path = str(find_file(picture.file))
    # Without a resolution, lengths in points and millimetres are zero.
    drawn = image.open(io.BytesIO(bytes(svg.svg_to_bytes(svg_path=path, dpi=96))))
    drawn = drawn.convert("RGBA")
    drawn = _trimmed(drawn.crop((0, 0, round(drawn.width * picture.width), drawn.height)))
    drawn.thumbnail((_RASTER, _RASTER))
    return drawn


def _trimmed(image: Any) -> Any:
    return image.crop(image.getchannel("A").getbbox())


def _turned(image: Any, degrees: float) -> Any:
    return image.rotate(degrees, need("PIL.Image", "render").Resampling.BILINEAR, expand=True)


def _room(rng: np.random.Generator) -> Any:
    """Paint a wall with curtains at both sides, and boards."""
    wall = rng.uniform(120, 230, 3)
    canvas = _shaded(wall, 0.75 * wall)
    canvas[int(0.72 * HEIGHT) :] = rng.uniform([90, 60, 30], [170, 120, 80])
    folds = 0.75 + 0.25 * np.sin(np.arange(WIDTH) / rng.uniform(3, 6))
    edge = int(rng.uniform(0.03, 0.12) * WIDTH)
    curtain = rng.uniform([80, 0, 0], [190, 60, 90]) * folds[:, None]
    canvas[:, :edge], canvas[:, -edge:] = curtain[:edge], curtain[-edge:]
    return _image(rng, canvas)


def _meadow(rng: np.random.Generator) -> Any:
    """Paint a sky with clouds over grass."""
    canvas = _shaded(rng.uniform([80, 140, 200], [150, 190, 255]), np.array([225.0, 235.0, 245.0]))
    horizon = int(rng.uniform(0.5, 0.75) * HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(int(rng.integers(1, 5))):
        far = (x - rng.uniform(0, WIDTH)) / rng.uniform(30, 70)
        high = (y - rng.uniform(0, horizon / 2)) / rng.uniform(8, 18)
        canvas[far**2 + high**2 < 1] = 250
    canvas[horizon:] = rng.uniform([40, 110, 30], [120, 180, 80])
    return _image(rng, canvas)


def _shaded(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> npt.NDArray[Any]:
    down = np.linspace(0, 1, HEIGHT)[:, None, None]
    return np.broadcast_to((1 - down) * above + down * below, (HEIGHT, WIDTH, 3)).copy()


def _image(rng: np.random.Generator, canvas: npt.NDArray[Any]) -> Any:
    noisy = canvas + rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    return need("PIL.Image", "render").fromarray(noisy.clip(0, 255).astype(np.uint8))
