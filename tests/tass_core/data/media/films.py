"""Short scenes and their films, made on the spot; skipped where the ingredients are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tass_core.data.extract.extra import need
from tass_core.data.extract.lite import WEIGHTS
from tass_core.data.media.film import FPS, write_film
from tass_core.data.media.ingredients import SEEN_PICTURES, find_ingredient
from tass_core.data.media.music import player
from tass_core.data.media.render import check_ingredients
from tass_core.data.media.stage import cast_scene, draw_scene
from tass_core.data.world.scene import Scene, Source
from tass_core.errors import DataError

LIBRARIES = ("av", "onnx", "PIL.Image", "resvg_py", "tinysoundfont", "tokenizers")


def require_ingredients() -> None:
    """Skip, with what is missing and how to get it."""
    try:
        for library in LIBRARIES:
            need(library, "render")
        for name in (*WEIGHTS, "yamnet-classes"):
            find_ingredient(name)
        check_ingredients()
    except DataError as error:
        pytest.skip(str(error))


def source(name: str, *loudness: float, x: float = 3.5, y: float = 3.5, **changes) -> Source:
    """An instrument that is as loud in each second."""
    loud = np.array(loudness, np.float32)
    settings = {"width": 2.4, "height": 3.0, "drift": 0.0, "visible": True, "rhythm": 0.5}
    settings["fidget"] = np.zeros_like(loud)
    return Source(instrument=name, x=x, y=y, loudness=loud, **(settings | changes))


def scene(*sources: Source, **changes) -> Scene:
    settings = {"place": "indoor", "clutter": (), "ambience": 0, "grid": (7, 7)}
    return Scene(sources, seconds=len(sources[0].loudness), **(settings | changes))


def frames(shot: Scene, seed: int = 0) -> list[np.ndarray]:
    fitted, props = cast_scene(np.random.default_rng(seed), shot, SEEN_PICTURES)
    return list(draw_scene(np.random.default_rng(seed), fitted, props, FPS))


def film(path: Path, shot: Scene, *, font: str = "fluid", sound: bool = True) -> Path:
    played = player(font).play(np.random.default_rng(0), shot) if sound else None
    write_film(path, frames(shot), played, "a test")
    return path
