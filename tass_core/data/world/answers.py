"""The true answer to each of the 33 templates in a scene, and what the answer rests on.

A question that a scene does not settle (two instruments come in together, an instrument
stands between left and middle) has no answer here and is never asked. "Lowest" is read as
softest, and a voiceover is a sound whose source is not on the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tass_core.data.music_avqa.vocabulary import NUMBERS
from tass_core.data.world.scene import Bools, Scene, Source, side

LOUDER = 1.35
"""Least ratio of two mean loudnesses that counts as louder."""

MORE_RHYTHMIC = 0.3
"""Least difference of two rhythms that counts as more rhythmic."""

LONGER = 0.15
"""Least difference of two playing times that counts as longer, as a share of the video."""

TOGETHER = 0.02
"""Largest difference of two entrances that counts as simultaneous, as a share of the video."""

APART = 0.07
"""Least difference of two entrances that counts as one after the other, likewise."""

NEAR = 0.7
"""Least distance in cells of two that stand side by side rather than in one place."""

WINDOW = 0.1
"""How much of the video after an entrance shows who came in, likewise."""


@dataclass(frozen=True, slots=True)
class Truth:
    """An answer and what it rests on."""

    answer: str
    """One of ``ANSWERS``."""
    sources: tuple[Source, ...]
    """Whom the question is about; the visible ones are its target regions."""
    segments: Bools
    """[T1] the seconds that settle it."""


class View:
    """A scene as a listener describes it: onsets, levels, durations and sides."""

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
        return sorted(((onset(item), item) for item in self.played), key=lambda pair: pair[0])

    def of(self, name: str, among: Sequence[Source]) -> list[Source]:
        """Return the sources of one instrument."""
        return [source for source in among if source.instrument == name]

    def side(self, source: Source) -> str | None:
        """Return where a source stands."""
        return side(source, self.scene.grid)

    def at(self, place: str) -> list[Source]:
        """Return the sources on the stage that stand left, middle or right."""
        return [source for source in self.seen if self.side(source) == place]

    def while_sounding(self, *sources: Source) -> Bools:
        """[T1] the seconds in which any of them sounds; every second if none ever does."""
        heard = [source.sounding for source in sources if source.sounds]
        return np.logical_or.reduce(heard) if heard else self.everything

    def window(self, start: int) -> Bools:
        """[T1] the seconds just after an entrance."""
        time = np.arange(self.seconds)
        return (time >= start) & (time < start + max(self.seconds * WINDOW, 1))


Rule = Callable[..., Truth | None]


def onset(source: Source) -> int:
    """Return the first second in which a source sounds."""
    return int(np.argmax(source.sounding))


def level(source: Source) -> float:
    """Return the mean loudness of a source over the seconds in which it sounds."""
    return float(source.loudness[source.sounding].mean())


def find_truth(view: View, content: str, values: Sequence[str]) -> Truth | None:
    """Return the answer to a template with its placeholders filled in, or None if unsettled."""
    rule = _RULES.get(content)
    return None if rule is None else rule(view, *values)


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


def _number(count: int) -> str:
    return NUMBERS[min(count, len(NUMBERS) - 1)]


def _is_heard(view: View, *names: str) -> Truth | None:
    if len(set(names)) < len(names):
        return None
    asked = [source for source in view.heard if source.instrument in names]
    present = {source.instrument for source in asked}
    return Truth(_yes(present == set(names)), tuple(asked), view.while_sounding(*asked))


def _is_seen(view: View, *names: str) -> Truth | None:
    if len(set(names)) < len(names):
        return None
    asked = [source for source in view.seen if source.instrument in names]
    present = {source.instrument for source in asked}
    return Truth(_yes(present == set(names)), tuple(asked), view.everything)


def _count(asked: list[Source], among_seconds: Bools) -> Truth | None:
    return Truth(_number(len(asked)), tuple(asked), among_seconds)


def _heard_count(view: View) -> Truth | None:
    return _count(view.heard, view.while_sounding(*view.heard))


def _sounding_count(view: View) -> Truth | None:
    return _count(view.played, view.while_sounding(*view.played))


def _silent_count(view: View) -> Truth | None:
    return _count([item for item in view.seen if not item.sounds], view.everything)


def _object_count(view: View, name: str) -> Truth | None:
    return _count(view.of(name, view.seen), view.everything)


def _sounding_object_count(view: View, name: str) -> Truth | None:
    asked = view.of(name, view.played)
    return _count(asked, view.while_sounding(*asked))


def _seen_types(view: View) -> Truth | None:
    kinds = {source.instrument for source in view.seen}
    return Truth(_number(len(kinds)), tuple(view.seen), view.everything)


def _sounding_types(view: View) -> Truth | None:
    kinds = {source.instrument for source in view.played}
    return Truth(_number(len(kinds)), tuple(view.played), view.while_sounding(*view.played))


def _only(found: list[Source]) -> Source | None:
    return found[0] if len(found) == 1 else None


def _pair(first: Source | None, second: Source | None) -> tuple[Source, Source] | None:
    if first is None or second is None or first is second:
        return None
    return (first, second) if first.sounds and second.sounds else None


def _louder(view: View, pair: tuple[Source, Source] | None) -> Truth | None:
    if pair is None:
        return None
    ratio = level(pair[0]) / level(pair[1])
    if 1 / LOUDER < ratio < LOUDER:
        return None
    return Truth(_yes(ratio > 1), pair, view.while_sounding(*pair))


def _more_rhythmic(view: View, pair: tuple[Source, Source] | None) -> Truth | None:
    if pair is None or abs(pair[0].rhythm - pair[1].rhythm) < MORE_RHYTHMIC:
        return None
    return Truth(_yes(pair[0].rhythm > pair[1].rhythm), pair, view.while_sounding(*pair))


def _named(view: View, one: str, other: str) -> tuple[Source, Source] | None:
    return _pair(_only(view.of(one, view.heard)), _only(view.of(other, view.heard)))


def _sided(view: View, one: str, other: str) -> tuple[Source, Source] | None:
    return _pair(_standing(view, one), _standing(view, other))


def _standing(view: View, place: str) -> Source | None:
    """Return "the instrument on the left": the leftmost of the stage, if it stands apart."""
    if place == "middle":
        return _only(view.at("middle"))
    ordered = sorted(view.seen, key=lambda source: source.x, reverse=place == "right")
    if len(ordered) < 2 or abs(ordered[0].x - ordered[1].x) < NEAR:
        return None
    return ordered[0]


def _named_sided(
    view: View, one: str, place: str, other: str, elsewhere: str
) -> tuple[Source, Source] | None:
    first = _only(view.of(one, view.at(place)))
    return _pair(first, _only(view.of(other, view.at(elsewhere))))


def _object_louder(view: View, *values: str) -> Truth | None:
    return _louder(view, _named(view, *values))


def _object_more_rhythmic(view: View, *values: str) -> Truth | None:
    return _more_rhythmic(view, _named(view, *values))


def _longer(view: View, one: str, other: str) -> Truth | None:
    pair = _named(view, one, other)
    if pair is None:
        return None
    difference = (int(pair[0].sounding.sum()) - int(pair[1].sounding.sum())) / view.seconds
    if 0 < abs(difference) < LONGER:
        return None
    return Truth(_yes(difference > 0), pair, view.while_sounding(*pair))


def _side_louder(view: View, *values: str) -> Truth | None:
    return _louder(view, _sided(view, *values))


def _side_more_rhythmic(view: View, *values: str) -> Truth | None:
    return _more_rhythmic(view, _sided(view, *values))


def _object_side_louder(view: View, *values: str) -> Truth | None:
    return _louder(view, _named_sided(view, *values))


def _object_side_more_rhythmic(view: View, *values: str) -> Truth | None:
    return _more_rhythmic(view, _named_sided(view, *values))


def _place(view: View) -> Truth | None:
    return Truth(view.scene.place, (), view.everything)


def _kind(view: View) -> Truth | None:
    if len({source.instrument for source in view.seen}) != 1:
        return None
    return Truth(view.seen[0].instrument, tuple(view.seen), view.everything)


def _outermost(view: View, where: str) -> Truth | None:
    if not view.seen:
        return None
    ordered = sorted(view.seen, key=lambda source: source.x, reverse=where == "rightest")
    if len(ordered) > 1 and abs(ordered[0].x - ordered[1].x) < NEAR:
        return None
    return Truth(ordered[0].instrument, (ordered[0],), view.everything)


def _beside(view: View, place: str, known: Source) -> Source | None:
    """Return the nearest source on that side of a known one (or the one in the middle)."""
    if place == "middle":
        found = _only(view.at("middle"))
        return None if found is known else found
    away = 1 if place == "right" else -1
    distance = [((source.x - known.x) * away, source) for source in view.seen]
    near = sorted((item for item in distance if item[0] >= NEAR), key=lambda item: item[0])
    if not near or (len(near) > 1 and near[1][0] - near[0][0] < 0.5):
        return None
    return near[0][1]


def _neighbour(view: View, place: str, name: str) -> Truth | None:
    """Answer for the outermost instrument of that name that has somebody on that side."""
    ordered = sorted(view.of(name, view.seen), key=lambda source: source.x)
    for known in reversed(ordered) if place == "right" else ordered:
        found = _beside(view, place, known)
        if found is not None:
            return Truth(found.instrument, (known, found), view.everything)
    return None


def _from_stage(view: View) -> Truth | None:
    if not view.heard:
        return None
    return Truth(_yes(bool(view.played)), tuple(view.played), view.while_sounding(*view.heard))


def _voiceover(view: View) -> Truth | None:
    unseen = [source for source in view.heard if not source.visible]
    return Truth(_yes(bool(unseen)), tuple(view.played), view.while_sounding(*unseen))


def _always(view: View, name: str) -> Truth | None:
    asked = view.of(name, view.seen)
    if not asked:
        return None
    playing = np.logical_or.reduce([source.sounding for source in asked])
    return Truth(_yes(bool(playing.all())), tuple(asked), view.everything)


def _extreme(view: View, which: str) -> Truth | None:
    if not view.played:
        return None
    ordered = sorted(view.played, key=level, reverse=which == "loudest")
    levels = [level(source) for source in ordered]
    if len(levels) > 1 and max(levels[0] / levels[1], levels[1] / levels[0]) < LOUDER:
        return None
    place = view.side(ordered[0])
    if place is None:
        return None
    return Truth(place, (ordered[0],), view.while_sounding(*ordered))


def _entrance(view: View, which: str) -> tuple[int, Source] | None:
    """Return who comes in first or last, if that is one source by a clear margin."""
    if not view.entered:
        return None
    ordered = view.entered if which == "first" else view.entered[::-1]
    if len(ordered) > 1 and abs(ordered[1][0] - ordered[0][0]) < APART * view.seconds:
        return None
    return ordered[0]


def _entrance_from(view: View, which: str, place: str) -> Truth | None:
    found = _entrance(view, which)
    where = None if found is None else view.side(found[1])
    if found is None or where is None:
        return None
    return Truth(_yes(where == place), (found[1],), view.window(found[0]))


def _entrance_side(view: View, which: str) -> Truth | None:
    found = _entrance(view, which)
    where = None if found is None else view.side(found[1])
    if found is None or where is None:
        return None
    return Truth(where, (found[1],), view.window(found[0]))


def _entrance_neighbour(view: View, place: str, which: str) -> Truth | None:
    found = _entrance(view, which)
    beside = None if found is None else _beside(view, place, found[1])
    if found is None or beside is None:
        return None
    return Truth(beside.instrument, (found[1], beside), view.window(found[0]))


def _same_time(view: View, name: str) -> Truth | None:
    """Answer with the only other instrument that sounds while this one does."""
    known = view.of(name, view.heard)
    if not known:
        return None
    shared = {
        kind: view.while_sounding(*known) & view.while_sounding(*view.of(kind, view.heard))
        for kind in {source.instrument for source in view.heard} - {name}
    }
    together = [kind for kind, seconds in shared.items() if seconds.any()]
    if len(together) != 1 or shared[together[0]].sum() < APART * view.seconds:
        return None
    others = view.of(together[0], view.heard)
    return Truth(together[0], tuple(known + others), shared[together[0]])


def _which_first(view: View, name: str, which: str) -> Truth | None:
    """Answer for several instruments of one kind: a side, or simultaneously."""
    asked = [(start, source) for start, source in view.entered if source.instrument == name]
    if len(asked) < 2:
        return None
    ordered = asked if which == "first" else asked[::-1]
    if asked[-1][0] - asked[0][0] <= TOGETHER * view.seconds:
        sources = tuple(source for _, source in asked)
        return Truth("simultaneously", sources, view.window(asked[0][0]))
    where = view.side(ordered[0][1])
    if where is None or abs(ordered[1][0] - ordered[0][0]) < APART * view.seconds:
        return None
    return Truth(where, (ordered[0][1],), view.window(ordered[0][0]))


def _comes_in(view: View, which: str) -> Truth | None:
    rank = _RANKS.index(which)
    starts = [start for start, _ in view.entered]
    if len(starts) <= rank:
        return None
    gaps = [abs(start - starts[rank]) for place, start in enumerate(starts) if place != rank]
    if any(gap < APART * view.seconds for gap in gaps):
        return None
    found = view.entered[rank][1]
    return Truth(found.instrument, (found,), view.window(starts[rank]))


def _next_to(view: View, order: str, name: str) -> Truth | None:
    """Answer who comes in just before or after the only instrument of that name."""
    places = [place for place, (_, item) in enumerate(view.entered) if item.instrument == name]
    if len(places) != 1:
        return None
    place, other = places[0], places[0] + (1 if order == "after" else -1)
    if not 0 <= other < len(view.entered):
        return None
    starts = [start for start, _ in view.entered]
    near = [abs(starts[other] - start) for index, start in enumerate(starts) if index != other]
    if min(near) < APART * view.seconds or view.entered[other][1].instrument == name:
        return None
    known, found = view.entered[place][1], view.entered[other][1]
    segments = view.window(starts[place]) | view.window(starts[other])
    return Truth(found.instrument, (known, found), segments)


_RANKS = ("first", "second", "third", "fourth", "fifth")

_RULES: dict[str, Rule] = {
    "Is there a <Object> sound?": _is_heard,
    "Are there <Object> and <Object> sound?": _is_heard,
    "How many musical instruments were heard throughout the video?": _heard_count,
    "Is the <Object> louder than the <Object>?": _object_louder,
    "Is the <Object> more rhythmic than the <Object>?": _object_more_rhythmic,
    "Is the <Object> playing longer than the <Object>?": _longer,
    "Is there a <Object> in the entire video?": _is_seen,
    "Are there <Object> and <Object> instruments in the video?": _is_seen,
    "How many types of musical instruments appeared in the entire video?": _seen_types,
    "How many <Object> are in the entire video?": _object_count,
    "Where is the performance?": _place,
    "What is the instrument on the <LR> of <Object>?": _neighbour,
    "What kind of musical instrument is it?": _kind,
    "What kind of instrument is the <LRer> instrument?": _outermost,
    "Is this sound from the instrument in the video?": _from_stage,
    "Is the <Object> in the video always playing?": _always,
    "Is there a voiceover?": _voiceover,
    "Where is the <LL> instrument?": _extreme,
    "Is the <FL> sound coming from the <LR> instrument?": _entrance_from,
    "Which is the musical instrument that sounds at the same time as the <Object>?": _same_time,
    "What is the <LR> instrument of the <FL> sounding instrument?": _entrance_neighbour,
    "How many instruments are sounding in the video?": _sounding_count,
    "How many types of musical instruments sound in the video?": _sounding_types,
    "How many instruments in the video did not sound from beginning to end?": _silent_count,
    "How many sounding <Object> in the video?": _sounding_object_count,
    "Is the instrument on the <LR> louder than the instrument on the <LR>?": _side_louder,
    "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?": (
        _side_more_rhythmic
    ),
    "Is the <Object> on the <LR> louder than the <Object> on the <LR>?": _object_side_louder,
    "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?": (
        _object_side_more_rhythmic
    ),
    "Where is the <FL> sounding instrument?": _entrance_side,
    "Which <Object> makes the sound <FL>?": _which_first,
    "What is the <TH> instrument that comes in?": _comes_in,
    "Which instrument makes sounds <BA> the <Object>?": _next_to,
}
