"""Drawing a scene: who is there, where they stand, when and how loud they play."""

from __future__ import annotations

import numpy as np

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS
from tass_core.data.world.scene import (
    AMBIENCES,
    ENSEMBLES,
    TEXTURES,
    Bools,
    Cutaway,
    Floats,
    Patch,
    Scene,
    Source,
)


def sample_scene(
    rng: np.random.Generator, *, seconds: int, grid: tuple[int, int], co_occurrence: float
) -> Scene:
    """Draw a scene.

    Args:
        rng: the source of every choice.
        seconds: T1.
        grid: rows and columns of the stage.
        co_occurrence: from 0 (company is drawn evenly) to 1 (always from one ensemble).
    """
    count = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 11], p=[12, 44, 24, 11, 5, 2, 1, 1] / _HUNDRED))
    names = company(rng, count, co_occurrence)
    offscreen = rng.random() < 0.22
    silent = _silent(rng, count, offscreen)
    parts = entrances(rng, count, seconds)
    places = stand(rng, count, grid)
    sources = [
        place_source(
            rng,
            name,
            places[index],
            loudness=np.zeros(seconds, np.float32)
            if silent[index]
            else draw_loudness(rng, seconds, *parts[index]),
        )
        for index, name in enumerate(names)
    ]
    if offscreen:
        sources.append(offscreen_source(rng, names, seconds, co_occurrence))
    return dress(rng, sources, seconds=seconds, grid=grid)


_HUNDRED = np.array(100.0)


def dress(
    rng: np.random.Generator,
    sources: list[Source],
    *,
    seconds: int,
    grid: tuple[int, int],
    place: str | None = None,
) -> Scene:
    """Set sources in a place with clutter and ambience of its own."""
    return Scene(
        sources=tuple(sources),
        place=place or ("indoor" if rng.random() < 0.6 else "outdoor"),
        clutter=_clutter(rng, [source.instrument for source in sources], grid),
        ambience=int(rng.integers(AMBIENCES)),
        seconds=seconds,
        grid=grid,
        cutaway=_cutaway(rng, seconds, grid),
    )


def _cutaway(rng: np.random.Generator, seconds: int, grid: tuple[int, int]) -> Cutaway | None:
    """Draw up to three cuts to one or two others who play all the while."""
    shown = np.zeros(seconds, np.bool_)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[10, 30, 30, 30] / _HUNDRED))):
        start = int(rng.integers(seconds * 3 // 4))
        shown[start : start + max(int(rng.uniform(0.1, 0.25) * seconds), 1)] = True
    if not shown.any():
        return None
    names = company(rng, int(rng.integers(1, 3)), 0.0)
    sources = tuple(
        place_source(rng, name, place, loudness=draw_loudness(rng, seconds, 0, seconds))
        for name, place in zip(names, stand(rng, len(names), grid), strict=True)
    )
    return Cutaway(Scene(sources, "indoor", (), 0, seconds, grid), shown)


def company(rng: np.random.Generator, count: int, co_occurrence: float) -> list[str]:
    """Draw the instruments of a stage: often several of one kind, large groups mostly so."""
    first = str(rng.choice(INSTRUMENTS))
    names = [first]
    same = rng.random() < (0.3 if count <= 3 else 0.6)
    while len(names) < count:
        if same and rng.random() < 0.9:
            names.append(first)
        else:
            names.append(companion(rng, first, co_occurrence))
    return names


def companion(rng: np.random.Generator, name: str, co_occurrence: float) -> str:
    """Draw another instrument: with that probability from one of ``name``'s ensembles."""
    if rng.random() < co_occurrence:
        groups = [group for group in ENSEMBLES if name in group]
        group = groups[int(rng.integers(len(groups)))]
        others = [other for other in group if other != name]
    else:
        others = [other for other in INSTRUMENTS if other != name]
    return others[int(rng.integers(len(others)))]


def entrances(rng: np.random.Generator, count: int, seconds: int) -> list[tuple[int, int]]:
    """Draw the first second and the end of each part.

    Several play together throughout, for a while each, relieve one another with parts of the
    same length, or come in one after another; so who came first is not who was heard most.
    """
    if count == 1:
        return [(0 if rng.random() < 0.7 else int(rng.integers(seconds // 2)), seconds)]
    form = rng.random()
    if form < 0.2:
        return [(0, seconds)] * count
    if form < 0.45:
        lengths = rng.uniform(0.15, 0.8, count)
        begins = rng.uniform(0, 1 - lengths)
    elif form < 0.7:
        lengths = np.full(count, rng.uniform(0.25, 0.6))
        begins = rng.permutation(np.linspace(0, 1 - lengths[0], count))
    else:
        begins = rng.permutation(np.linspace(0, rng.uniform(0.3, 0.7), count))
        lengths = 1 - begins
    starts = (begins * seconds).astype(int)
    ends = np.minimum(starts + np.maximum((lengths * seconds).astype(int), 2), seconds)
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def stand(
    rng: np.random.Generator, count: int, grid: tuple[int, int]
) -> list[tuple[float, float, float, float]]:
    """Find places (x, y, width, height) for ``count`` sources that do not cover one another."""
    rows, columns = grid
    ranks = 1 if count <= 4 else (2 if count <= 8 else 3)
    per_rank = -(-count // ranks)
    places = []
    for index in range(count):
        rank, place = divmod(index, per_rank)
        held = min(per_rank, count - rank * per_rank)
        room, tall = columns / held, rows / ranks
        width = min(room * 0.95, rng.uniform(1.6, 2.6))
        height = min(tall * 0.95, rng.uniform(2.0, 3.2))
        x = place * room + rng.uniform(width / 2, room - width / 2)
        y = rank * tall + rng.uniform(height / 2, tall - height / 2)
        places.append((float(x), float(y), float(width), float(height)))
    order = rng.permutation(count)
    return [places[index] for index in order]


def place_source(
    rng: np.random.Generator,
    name: str,
    place: tuple[float, float, float, float],
    *,
    loudness: Floats,
    rhythm: float | None = None,
) -> Source:
    """Put an instrument on the stage; a silent one may still move as if it played."""
    seconds = len(loudness)
    fidget = np.zeros(seconds, np.float32)
    if not loudness.any() and rng.random() < 0.5:
        start = int(rng.integers(seconds // 2))
        fidget[start : start + int(rng.integers(seconds // 6, seconds // 2))] = rng.uniform(0.5, 1)
    x, y, width, height = place
    return Source(
        instrument=name,
        x=x,
        y=y,
        width=width,
        height=height,
        drift=float(rng.uniform(-0.8, 0.8)),
        visible=True,
        loudness=loudness,
        rhythm=float(rng.random()) if rhythm is None else rhythm,
        fidget=fidget,
    )


def offscreen_source(
    rng: np.random.Generator, names: list[str], seconds: int, co_occurrence: float
) -> Source:
    """Draw a sound from off the stage, sometimes of an instrument that is also on it."""
    same = rng.random() < 0.35
    name = names[int(rng.integers(len(names)))]
    return heard_only(
        rng,
        name if same else companion(rng, name, co_occurrence),
        draw_loudness(rng, seconds, int(rng.integers(seconds // 2)), seconds),
    )


def heard_only(rng: np.random.Generator, name: str, loudness: Floats) -> Source:
    """Return a source that is heard and never seen."""
    silence = np.zeros_like(loudness)
    return Source(name, 0, 0, 0, 0, 0, False, loudness, float(rng.random()), silence)


def draw_loudness(rng: np.random.Generator, seconds: int, start: int, end: int) -> Floats:
    """Draw a loudness curve [T1] of a part from ``start`` to ``end``: level, swell and pause."""
    time = np.arange(seconds)
    level = float(np.clip(np.exp(rng.normal(0, 0.45)), 0.45, 2.0))
    tilt = float(rng.uniform(-0.4, 0.4)) if rng.random() < 0.5 else 0.0
    curve = level * (1 + tilt * (2 * time / max(seconds - 1, 1) - 1))
    playing = (time >= start) & (time < end)
    if rng.random() < 0.25 and end - start > seconds // 3:
        begin = start + int(rng.integers(1, (end - start) // 2))
        playing &= (time < begin) | (time >= begin + int(rng.integers(seconds // 10, seconds // 3)))
    if rng.random() < 0.2:
        playing &= time < start + max(int(rng.uniform(0.4, 0.95) * (end - start)), 2)
    return np.where(playing, curve, 0).astype(np.float32)


def _silent(rng: np.random.Generator, count: int, offscreen: bool) -> Bools:
    if offscreen and rng.random() < 0.3:
        return np.ones(count, np.bool_)
    silent = rng.random(count) < 0.18
    if count == 1:
        silent[:] = False
    if silent.all() and not offscreen:
        silent[int(rng.integers(count))] = False
    return silent


def _clutter(
    rng: np.random.Generator, present: list[str], grid: tuple[int, int]
) -> tuple[Patch, ...]:
    patches = []
    absent = [index for index, name in enumerate(INSTRUMENTS) if name not in present]
    for _ in range(int(rng.integers(3, 7))):
        patches.append(_patch(rng, int(rng.integers(TEXTURES)), (0.4, 1.0), grid))
    for _ in range(int(rng.integers(1, 4))):
        kind = TEXTURES + absent[int(rng.integers(len(absent)))]
        patches.append(_patch(rng, kind, (0.2, 0.5), grid))
    return tuple(patches)


def _patch(
    rng: np.random.Generator, kind: int, strength: tuple[float, float], grid: tuple[int, int]
) -> Patch:
    rows, columns = grid
    width, height = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    x = int(rng.integers(max(columns - width, 0) + 1))
    y = int(rng.integers(max(rows - height, 0) + 1))
    return Patch(x, y, width, height, kind, float(rng.uniform(*strength)))
