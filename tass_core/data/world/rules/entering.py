"""Who comes in when: first and last, before and after, and at the same time."""

from __future__ import annotations

import math
from dataclasses import replace

from tass_core.data.music_avqa.vocabulary import SLOTS
from tass_core.data.world.listening import Listener, Settled, yes_or_no
from tass_core.data.world.scene import Source

TOGETHER = 0.02
"""Largest difference of two entrances that counts as simultaneous, as a share of the video."""

APART = 0.07
"""Least difference of two entrances that counts as one after the other, likewise."""


def side(listener: Listener, which: str) -> Settled | None:
    """Answer where the first or last stands that comes in."""
    found = _entrance(listener, which)
    where = None if found is None else listener.side(found[1])
    if found is None or where is None:
        return None
    return Settled(where, (found[1],), listener.window(found[0]))


def from_side(listener: Listener, which: str, place: str) -> Settled | None:
    """Answer whether the first or last that comes in stands there."""
    found = side(listener, which)
    return None if found is None else replace(found, answer=yes_or_no(found.answer == place))


def neighbour(listener: Listener, place: str, which: str) -> Settled | None:
    """Answer who stands on that side of the first or last that comes in."""
    found = _entrance(listener, which)
    beside = None if found is None else listener.beside(place, found[1])
    if found is None or beside is None:
        return None
    return Settled(beside.instrument, (found[1], beside), listener.window(found[0]))


def same_time(listener: Listener, name: str) -> Settled | None:
    """Answer with the only other instrument that sounds while this one does."""
    known = listener.of(name, listener.heard)
    if not known:
        return None
    sounding = listener.while_sounding(*known)
    shared = {
        kind: sounding & listener.while_sounding(*listener.of(kind, listener.heard))
        for kind in {source.instrument for source in listener.heard} - {name}
    }
    together = [kind for kind, seconds in shared.items() if seconds.any()]
    if len(together) != 1 or shared[together[0]].sum() < APART * listener.seconds:
        return None
    others = listener.of(together[0], listener.heard)
    return Settled(together[0], tuple(known + others), shared[together[0]])


def which_of(listener: Listener, name: str, which: str) -> Settled | None:
    """Answer for several instruments of one kind: a side, or simultaneously."""
    asked = [(start, source) for start, source in listener.entered if source.instrument == name]
    if len(asked) < 2:
        return None
    ordered = asked if which == "first" else asked[::-1]
    if asked[-1][0] - asked[0][0] <= TOGETHER * listener.seconds:
        sources = tuple(source for _, source in asked)
        return Settled("simultaneously", sources, listener.window(asked[0][0]))
    (start, source), (next_start, _) = ordered[:2]
    where = listener.side(source)
    if where is None or abs(next_start - start) < APART * listener.seconds:
        return None
    return Settled(where, (source,), listener.window(start))


def ranked(listener: Listener, which: str) -> Settled | None:
    """Answer with the instrument that comes in first, second, ... or fifth."""
    rank = SLOTS["<TH>"].index(which)
    if len(listener.entered) <= rank:
        return None
    start, found = listener.entered[rank]
    if _gap(listener, rank) < APART * listener.seconds:
        return None
    return Settled(found.instrument, (found,), listener.window(start))


def next_to(listener: Listener, order: str, name: str) -> Settled | None:
    """Answer who comes in just before or after the only instrument of that name."""
    entered = listener.entered
    places = [place for place, (_, item) in enumerate(entered) if item.instrument == name]
    if len(places) != 1:
        return None
    place, other = places[0], places[0] + (1 if order == "after" else -1)
    if not 0 <= other < len(entered):
        return None
    (start, known), (other_start, found) = entered[place], entered[other]
    if _gap(listener, other) < APART * listener.seconds or found.instrument == name:
        return None
    segments = listener.window(start) | listener.window(other_start)
    return Settled(found.instrument, (known, found), segments)


def _entrance(listener: Listener, which: str) -> tuple[int, Source] | None:
    """Return who comes in first or last, if that is one source by a clear margin."""
    if not listener.entered:
        return None
    place = 0 if which == "first" else len(listener.entered) - 1
    if _gap(listener, place) < APART * listener.seconds:
        return None
    return listener.entered[place]


def _gap(listener: Listener, place: int) -> float:
    """Return the seconds between an entrance and the nearest other one."""
    starts = [start for start, _ in listener.entered]
    gaps = [abs(start - starts[place]) for i, start in enumerate(starts) if i != place]
    return min(gaps, default=math.inf)
