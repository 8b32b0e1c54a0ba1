"""Drafts of scenes, which can still be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, SLOTS
from tass_core.data.world.sampling import draw_level, heard_only, place_source
from tass_core.data.world.scene import Scene, Source

SIDES = SLOTS["<LR>"]


@dataclass(slots=True)
class Part:
    """A source of a draft; times are shares of the video, places shares of the stage."""

    instrument: str
    x: float
    visible: bool
    sounds: bool
    start: float
    end: float
    level: float
    rhythm: float


class Draft:
    """A scene in the making."""

    def __init__(self, rng: np.random.Generator, seconds: int, grid: tuple[int, int]) -> None:
        self.rng, self.seconds, self.grid = rng, seconds, grid
        self.parts: list[Part] = []
        self.place = "indoor" if rng.random() < 0.7 else "outdoor"

    def copy(self) -> Draft:
        """Return a draft that can be changed on its own."""
        other = Draft.__new__(Draft)
        other.rng, other.seconds, other.grid = self.rng, self.seconds, self.grid
        other.parts, other.place = [replace(part) for part in self.parts], self.place
        return other

    def seen(self, name: str | None = None) -> list[Part]:
        """Return the parts on the stage, of one instrument or of all."""
        return [p for p in self.parts if p.visible and name in (None, p.instrument)]

    def heard(self, name: str | None = None) -> list[Part]:
        """Return the parts that sound."""
        return [p for p in self.parts if p.sounds and name in (None, p.instrument)]

    def played(self, name: str | None = None) -> list[Part]:
        """Return the parts on the stage that sound."""
        return [p for p in self.seen(name) if p.sounds]

    def add(self, name: str, *, visible: bool = True, sounds: bool = True) -> Part:
        """Add a part where there is room."""
        taken = [part.x for part in self.seen()]
        spots = self.rng.uniform(0.1, 0.9, size=8)
        room = [min([abs(spot - x) for x in taken], default=1.0) for spot in spots]
        part = Part(
            instrument=name,
            x=float(spots[int(np.argmax(room))]),
            visible=visible,
            sounds=sounds,
            start=0.0,
            end=1.0,
            level=draw_level(self.rng),
            rhythm=float(self.rng.random()),
        )
        self.parts.append(part)
        return part

    def add_any(self, *, visible: bool = True, sounds: bool = True) -> Part:
        """Add a part of any instrument, as often as not one that the draft has already."""
        name = self.any_name(known=bool(self.rng.random() < 0.5))
        return self.add(name, visible=visible, sounds=sounds)

    def any_name(self, known: bool = False) -> str:
        """Return an instrument, one of the draft's own if asked for and there is one."""
        names = [part.instrument for part in self.parts] if known else []
        known_names = {part.instrument for part in self.parts}
        names = names or [name for name in INSTRUMENTS if name not in known_names]
        names = names or list(INSTRUMENTS)
        return names[int(self.rng.integers(len(names)))]

    def pick(self, parts: Sequence[Part]) -> Part:
        """Return one of the parts."""
        return parts[int(self.rng.integers(len(parts)))]

    def only_heard(self, name: str) -> Part:
        """Make exactly one of an instrument sound and return it."""
        found = self.heard(name) or self.seen(name) or [self.add(name)]
        for extra in found[1:]:
            extra.sounds = False
        found[0].sounds = True
        return found[0]

    def some_played(self, name: str | None = None) -> Part:
        """Return a part on the stage that sounds, making one if there is none."""
        found = self.played(name) or self.seen(name)
        part = self.pick(found) if found else self.add(name or self.any_name())
        part.sounds = True
        return part

    def stand_at(self, part: Part, side: str) -> None:
        """Move a part to a third of the stage."""
        third = SIDES.index(side)
        part.x = (third + float(self.rng.uniform(0.25, 0.75))) / 3

    def alone_at(self, side: str, name: str | None = None) -> Part:
        """Return the only part in a third of the stage, sounding; the others there move away."""
        low = SIDES.index(side) / 3
        there = [part for part in self.seen() if low <= part.x < low + 1 / 3]
        named = [part for part in there if name in (None, part.instrument)]
        part = (named or self.seen(name) or [self.add(name or self.any_name())])[0]
        self.stand_at(part, side)
        for other in there:
            if other is not part:
                free = [third for third in SIDES if third != side]
                self.stand_at(other, free[int(self.rng.integers(2))])
        part.sounds = True
        return part

    def source(self, part: Part) -> Source:
        """Return a part as a source of a scene."""
        time = (np.arange(self.seconds) + 0.5) / self.seconds
        playing = part.sounds & (time >= part.start) & (time <= part.end)
        loudness = np.where(playing, part.level, 0).astype(np.float32)
        if not part.visible:
            return heard_only(self.rng, part.instrument, loudness, part.rhythm)
        rows, columns = self.grid
        gaps = [abs(part.x - other.x) * columns for other in self.seen() if other is not part]
        width = float(np.clip(min(gaps, default=2.4) * 0.95, 1.0, 2.4))
        height = float(self.rng.uniform(2.0, 3.2)) if width > 1.0 else 1.5
        return place_source(
            self.rng,
            part.instrument,
            (part.x * columns, float(self.rng.uniform(0.3, 0.7)) * rows, width, height),
            loudness=loudness,
            rhythm=part.rhythm,
        )

    def scene(self) -> Scene:
        """Return the draft as a bare scene, for its answers."""
        sources = tuple(self.source(part) for part in self.parts)
        return Scene(sources, self.place, (), 0, self.seconds, self.grid)
