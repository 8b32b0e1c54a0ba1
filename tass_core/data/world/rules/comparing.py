"""Which of two sounds is louder, more rhythmic or longer."""

from __future__ import annotations

from collections.abc import Callable

from tass_core.data.world.listening import Listener, Rule, Settled, level, only, yes_or_no
from tass_core.data.world.scene import Source

LOUDER = 1.35
"""Least ratio of two mean loudnesses that counts as louder."""

MORE_RHYTHMIC = 0.3
"""Least difference of two rhythms that counts as more rhythmic."""

LONGER = 0.15
"""Least difference of two playing times that counts as longer, as a share of the video."""

Pair = tuple[Source, Source]


def _louder(listener: Listener, pair: Pair) -> Settled | None:
    ratio = level(pair[0]) / level(pair[1])
    if 1 / LOUDER < ratio < LOUDER:
        return None
    return Settled(yes_or_no(ratio > 1), pair, listener.while_sounding(*pair))


def _more_rhythmic(listener: Listener, pair: Pair) -> Settled | None:
    if abs(pair[0].rhythm - pair[1].rhythm) < MORE_RHYTHMIC:
        return None
    more = pair[0].rhythm > pair[1].rhythm
    return Settled(yes_or_no(more), pair, listener.while_sounding(*pair))


def _longer(listener: Listener, pair: Pair) -> Settled | None:
    """Equal times are settled, too: neither is longer."""
    difference = (int(pair[0].sounding.sum()) - int(pair[1].sounding.sum())) / listener.seconds
    if 0 < abs(difference) < LONGER:
        return None
    return Settled(yes_or_no(difference > 0), pair, listener.while_sounding(*pair))


def _named(listener: Listener, one: str, other: str) -> Pair | None:
    heard = listener.heard
    return _pair(only(listener.of(one, heard)), only(listener.of(other, heard)))


def _sided(listener: Listener, place: str, elsewhere: str) -> Pair | None:
    return _pair(_standing(listener, place), _standing(listener, elsewhere))


def _standing(listener: Listener, place: str) -> Source | None:
    """Return "the instrument on the left": the leftmost of several, if it stands apart."""
    if place == "middle":
        return only(listener.at("middle"))
    return listener.outermost(place) if len(listener.seen) > 1 else None


def _named_sided(
    listener: Listener, one: str, place: str, other: str, elsewhere: str
) -> Pair | None:
    first = only(listener.of(one, listener.at(place)))
    return _pair(first, only(listener.of(other, listener.at(elsewhere))))


def _pair(first: Source | None, second: Source | None) -> Pair | None:
    if first is None or second is None or first is second:
        return None
    return (first, second) if first.sounds and second.sounds else None


def _comparison(
    find: Callable[..., Pair | None], judge: Callable[[Listener, Pair], Settled | None]
) -> Rule:
    def rule(listener: Listener, *values: str) -> Settled | None:
        pair = find(listener, *values)
        return None if pair is None else judge(listener, pair)

    return rule


louder = _comparison(_named, _louder)
more_rhythmic = _comparison(_named, _more_rhythmic)
longer = _comparison(_named, _longer)
"""Of two instruments by name, the only sounding ones of their kinds."""

side_louder = _comparison(_sided, _louder)
side_more_rhythmic = _comparison(_sided, _more_rhythmic)
"""Of whoever stands on two sides."""

named_side_louder = _comparison(_named_sided, _louder)
named_side_more_rhythmic = _comparison(_named_sided, _more_rhythmic)
"""Of two instruments by name and side."""
