"""Drawing a scene: who is there, where they stand, when and how loud they play."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

STAGE = {1: 0.12, 2: 0.44, 3: 0.24, 4: 0.11, 5: 0.05, 6: 0.02, 8: 0.01, 11: 0.01}
"""How often so many instruments are on the stage."""

OFFSTAGE, OFFSTAGE_SAME = 0.22, 0.35
"""How often something sounds from off the stage, and is then an instrument that is also on it."""

SILENT, ALL_SILENT = 0.18, 0.3
"""How often one on the stage never plays; and all of them, when something sounds off it."""

FIDGETING = 0.5
"""How often a silent one moves as if it played."""

INDOOR = 0.6
"""How often a performance is indoors."""

CUTS = {0: 0.1, 1: 0.3, 2: 0.3, 3: 0.3}
"""How often a video cuts away so many times."""

SAME_KIND, SAME_KIND_LARGE = 0.3, 0.6
"""How often a group is mostly of one kind, and one of more than three."""

SAME_AGAIN = 0.9
"""How often the next of such a group is of that kind."""

SOLO_FROM_START = 0.7
"""How often one who is alone plays from the first second."""

ALL_THROUGHOUT, OWN_SPANS, RELAY = 0.2, 0.45, 0.7
"""How several play, in cumulated shares: all throughout, each for a while, each in turn for the
same time; the rest come in one after another and stay."""

LEVEL_SPREAD, LEVELS = 0.45, (0.45, 2.0)
"""Standard deviation of the logarithm of a part's loudness, and its limits."""

SWELLING, PAUSING, ENDING_EARLY = 0.5, 0.25, 0.2
"""How often a part grows louder or softer, pauses, and ends before its time."""

SIDE_BY_SIDE, TWO_RANKS = 4, 8
"""So many stand in one rank, and in two; more stand in three."""


def sample_scene(
    rng: np.random.Generator,
    *,
    seconds: int,
    grid: tuple[int, int],
    co_occurrence: float,
    instruments: Sequence[str] = INSTRUMENTS,
) -> Scene:
    """Draw a scene.

    Args:
        rng: the source of every choice.
        seconds: T1.
        grid: rows and columns of the stage.
        co_occurrence: from 0 (company is drawn evenly) to 1 (always from one ensemble).
        instruments: those that there are.
    """
    count = _draw(rng, STAGE)
    names = company(rng, count, co_occurrence, instruments)
    offstage = rng.random() < OFFSTAGE
    silent = _silent(rng, count, offstage)
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
    if offstage:
        sources.append(offstage_source(rng, names, seconds, co_occurrence, instruments))
    return dress(rng, sources, seconds=seconds, grid=grid, instruments=instruments)


def dress(
    rng: np.random.Generator,
    sources: list[Source],
    *,
    seconds: int,
    grid: tuple[int, int],
    place: str | None = None,
    instruments: Sequence[str] = INSTRUMENTS,
) -> Scene:
    """Set sources in a place with clutter and ambience of its own."""
    return Scene(
        sources=tuple(sources),
        place=place or ("indoor" if rng.random() < INDOOR else "outdoor"),
        clutter=_clutter(rng, [source.instrument for source in sources], grid),
        ambience=int(rng.integers(AMBIENCES)),
        seconds=seconds,
        grid=grid,
        cutaway=_cutaway(rng, seconds, grid, instruments),
    )


def _cutaway(
    rng: np.random.Generator, seconds: int, grid: tuple[int, int], instruments: Sequence[str]
) -> Cutaway | None:
    """Draw up to three cuts to one or two others who play all the while."""
    shown = np.zeros(seconds, np.bool_)
    for _ in range(_draw(rng, CUTS)):
        start = int(rng.integers(seconds * 3 // 4))
        shown[start : start + max(int(rng.uniform(0.1, 0.25) * seconds), 1)] = True
    if not shown.any():
        return None
    names = company(rng, int(rng.integers(1, 3)), 0.0, instruments)
    sources = tuple(
        place_source(rng, name, place, loudness=draw_loudness(rng, seconds, 0, seconds))
        for name, place in zip(names, stand(rng, len(names), grid), strict=True)
    )
    return Cutaway(Scene(sources, "indoor", (), 0, seconds, grid), shown)


def company(
    rng: np.random.Generator,
    count: int,
    co_occurrence: float,
    instruments: Sequence[str] = INSTRUMENTS,
) -> list[str]:
    """Draw the instruments of a stage: often several of one kind, large groups mostly so."""
    first = str(rng.choice(instruments))
    names = [first]
    same = rng.random() < (SAME_KIND if count <= 3 else SAME_KIND_LARGE)
    while len(names) < count:
        if same and rng.random() < SAME_AGAIN:
            names.append(first)
        else:
            names.append(companion(rng, first, co_occurrence, instruments))
    return names


def companion(
    rng: np.random.Generator, name: str, co_occurrence: float, instruments: Sequence[str]
) -> str:
    """Draw another instrument: with that probability from one of ``name``'s ensembles."""
    others = [other for other in instruments if other != name]
    groups = [[other for other in group if other in others] for group in ENSEMBLES if name in group]
    groups = [group for group in groups if group]
    if groups and rng.random() < co_occurrence:
        others = groups[int(rng.integers(len(groups)))]
    return others[int(rng.integers(len(others)))]


def entrances(rng: np.random.Generator, count: int, seconds: int) -> list[tuple[int, int]]:
    """Draw the first second and the end of each part.

    Several play together throughout, for a while each, relieve one another with parts of the
    same length, or come in one after another; so who came first is not who was heard most.
    """
    if count == 1:
        return [(0 if rng.random() < SOLO_FROM_START else int(rng.integers(seconds // 2)), seconds)]
    form = rng.random()
    if form < ALL_THROUGHOUT:
        return [(0, seconds)] * count
    if form < OWN_SPANS:
        lengths = rng.uniform(0.15, 0.8, count)
        begins = rng.uniform(0, 1 - lengths)
    elif form < RELAY:
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
    ranks = 1 if count <= SIDE_BY_SIDE else (2 if count <= TWO_RANKS else 3)
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
    if not loudness.any() and rng.random() < FIDGETING:
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


def offstage_source(
    rng: np.random.Generator,
    names: list[str],
    seconds: int,
    co_occurrence: float,
    instruments: Sequence[str],
) -> Source:
    """Draw a sound from off the stage, sometimes of an instrument that is also on it."""
    same = rng.random() < OFFSTAGE_SAME
    name = names[int(rng.integers(len(names)))]
    return heard_only(
        rng,
        name if same else companion(rng, name, co_occurrence, instruments),
        draw_loudness(rng, seconds, int(rng.integers(seconds // 2)), seconds),
    )


def heard_only(
    rng: np.random.Generator, name: str, loudness: Floats, rhythm: float | None = None
) -> Source:
    """Return a source that is heard and never seen."""
    rhythm = float(rng.random()) if rhythm is None else rhythm
    return Source(name, 0, 0, 0, 0, 0, False, loudness, rhythm, np.zeros_like(loudness))


def draw_level(rng: np.random.Generator) -> float:
    """Draw the loudness of a part; one is the middle."""
    return float(np.clip(np.exp(rng.normal(0, LEVEL_SPREAD)), *LEVELS))


def draw_loudness(rng: np.random.Generator, seconds: int, start: int, end: int) -> Floats:
    """Draw a loudness curve [T1] of a part from ``start`` to ``end``: level, swell and pause."""
    time = np.arange(seconds)
    level = draw_level(rng)
    tilt = float(rng.uniform(-0.4, 0.4)) if rng.random() < SWELLING else 0.0
    curve = level * (1 + tilt * (2 * time / max(seconds - 1, 1) - 1))
    playing = (time >= start) & (time < end)
    if rng.random() < PAUSING and end - start > seconds // 3:
        begin = start + int(rng.integers(1, (end - start) // 2))
        playing &= (time < begin) | (time >= begin + int(rng.integers(seconds // 10, seconds // 3)))
    if rng.random() < ENDING_EARLY:
        playing &= time < start + max(int(rng.uniform(0.4, 0.95) * (end - start)), 2)
    return np.where(playing, curve, 0).astype(np.float32)


def _silent(rng: np.random.Generator, count: int, offstage: bool) -> Bools:
    if offstage and rng.random() < ALL_SILENT:
        return np.ones(count, np.bool_)
    silent = rng.random(count) < SILENT
    if count == 1:
        silent[:] = False
    if silent.all() and not offstage:
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


def _draw(rng: np.random.Generator, shares: Mapping[int, float]) -> int:
    return int(rng.choice(list(shares), p=list(shares.values())))
