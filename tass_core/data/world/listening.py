"""A scene as a listener describes it, and what settles a question about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tass_core.data.world.scene import Bools, Scene, Source, side

NEAR = 0.7
"""Least distance in cells of two that stand side by side rather than in one place."""

NEAREST = 0.5
"""Least lead in cells of the nearest neighbour over the next."""

WINDOW = 0.1
"""How much of the video after an entrance shows who came in, as a share of the video."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A true answer and what it rests on."""

    answer: str
    """One of ``ANSWERS``."""
    sources: tuple[Source, ...]
    """Whom the question is about; the visible ones are its target regions."""
    segments: Bools
    """[T1] the seconds that settle it."""


class Listener:
    """A scene by onsets, levels, durations and sides."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.seconds = scene.seconds
        self.all = list(scene.sources)
        self.seen = [source for source in self.all if source.visible]
        self.heard = [source for source in self.all if source.sounds]
        self.played = [source for source in self.seen if source.sounds]

    @cached_property
    def everything(self) -> Bools:
        """[T1] every second."""
        return np.ones(self.seconds, np.bool_)

    @cached_property
    def entered(self) -> list[tuple[int, Source]]:
        """The sounding sources on the stage with their first second, in order."""
        starts = ((int(np.argmax(item.sounding)), item) for item in self.played)
        return sorted(starts, key=lambda pair: pair[0])

    def of(self, name: str, among: Sequence[Source]) -> list[Source]:
        """Return the sources of one instrument."""
        return [source for source in among if source.instrument == name]

    def side(self, source: Source) -> str | None:
        """Return where a source stands: left, middle, right, or None between two thirds."""
        return side(source, self.scene.grid)

    def at(self, place: str) -> list[Source]:
        """Return the sources on the stage that stand left, middle or right."""
        return [source for source in self.seen if self.side(source) == place]

    def outermost(self, place: str) -> Source | None:
        """Return the leftmost or rightmost source of the stage, if it stands apart."""
        ordered = sorted(self.seen, key=lambda source: source.x, reverse=place == "right")
        if not ordered or (len(ordered) > 1 and abs(ordered[0].x - ordered[1].x) < NEAR):
            return None
        return ordered[0]

    def beside(self, place: str, known: Source) -> Source | None:
        """Return the nearest source on that side of a known one (or the one in the middle)."""
        if place == "middle":
            found = only(self.at("middle"))
            return None if found is known else found
        away = 1 if place == "right" else -1
        distance = [((source.x - known.x) * away, source) for source in self.seen]
        near = sorted((item for item in distance if item[0] >= NEAR), key=lambda item: item[0])
        if not near or (len(near) > 1 and near[1][0] - near[0][0] < NEAREST):
            return None
        return near[0][1]

    def while_sounding(self, *sources: Source) -> Bools:
        """[T1] the seconds in which any of them sounds; every second if none ever does."""
        heard = [source.sounding for source in sources if source.sounds]
        return np.logical_or.reduce(heard) if heard else self.everything

    def window(self, start: int) -> Bools:
        """[T1] the seconds just after an entrance."""
        time = np.arange(self.seconds)
        return (time >= start) & (time < start + max(self.seconds * WINDOW, 1))


Rule = Callable[..., Settled | None]
"""Answers a template's question: called with a listener and what fills the placeholders."""


def level(source: Source) -> float:
    """Return the mean loudness of a source over the seconds in which it sounds."""
    return float(source.loudness[source.sounding].mean())


def only(found: Sequence[Source]) -> Source | None:
    """Return the one that was found, None if there are none or several."""
    return found[0] if len(found) == 1 else None


def yes_or_no(condition: bool) -> str:
    """Return an answer."""
    return "yes" if condition else "no"
