"""The changes to a draft that make a question's answer true, one for each rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import NUMBERS, SLOTS
from tass_core.data.world.listening import Rule
from tass_core.data.world.over.drafts import SIDES, Draft, Part
from tass_core.data.world.rules import comparing, counting, entering, presence, standing
from tass_core.data.world.templates import find_template

Repair = Callable[..., None]
"""Called with a draft, the answer to be and what fills the placeholders."""


def repair(draft: Draft, question: RawQuestion) -> None:
    """Change a draft so that a question may get its answer; other answers may suffer."""
    rule = find_template(question.content).rule
    _REPAIRS[rule](draft, question.answer, *question.values)


def _heard(draft: Draft, answer: str, *names: str) -> None:
    if answer == "yes":
        for name in names:
            if not draft.heard(name):
                draft.only_heard(name)
        return
    name = names[int(draft.rng.integers(len(names)))]
    for part in draft.heard(name):
        _hush(draft, part)


def _hush(draft: Draft, part: Part) -> None:
    if part.visible and draft.rng.random() < 0.5:
        part.sounds = False
    else:
        draft.parts.remove(part)


def _seen(draft: Draft, answer: str, *names: str) -> None:
    if answer == "yes":
        for name in names:
            if not draft.seen(name):
                draft.add(name, sounds=bool(draft.rng.random() < 0.7))
        return
    name = names[int(draft.rng.integers(len(names)))]
    for part in draft.seen(name):
        if part.sounds and draft.rng.random() < 0.5:
            part.visible = False
        else:
            draft.parts.remove(part)


def _resize(draft: Draft, found: list[Part], wanted: int, add: Callable[[], object]) -> None:
    for _ in range(wanted - len(found)):
        add()
    for place in draft.rng.permutation(len(found))[: max(len(found) - wanted, 0)]:
        _hush(draft, found[int(place)])


def _heard_count(draft: Draft, answer: str) -> None:
    silent = [part for part in draft.seen() if not part.sounds]

    def add() -> None:
        if silent and draft.rng.random() < 0.5:
            silent.pop().sounds = True
        else:
            draft.add_any()

    _resize(draft, draft.heard(), NUMBERS.index(answer), add)


def _played_count(draft: Draft, answer: str) -> None:
    _resize(draft, draft.played(), NUMBERS.index(answer), draft.add_any)


def _silent_count(draft: Draft, answer: str) -> None:
    silent = [part for part in draft.seen() if not part.sounds]
    wanted = NUMBERS.index(answer)
    for _ in range(wanted - len(silent)):
        sounding = draft.played()
        if len(sounding) > 1 and draft.rng.random() < 0.5:
            draft.pick(sounding).sounds = False
        else:
            draft.add_any(sounds=False)
    for part in silent[wanted:]:
        if draft.rng.random() < 0.5:
            part.sounds = True
        else:
            draft.parts.remove(part)


def _object_count(draft: Draft, answer: str, name: str) -> None:
    found, wanted = draft.seen(name), NUMBERS.index(answer)
    for _ in range(wanted - len(found)):
        draft.add(name)
    for part in found[wanted:]:
        draft.parts.remove(part)


def _sounding_object_count(draft: Draft, answer: str, name: str) -> None:
    _resize(draft, draft.played(name), NUMBERS.index(answer), lambda: draft.add(name))


def _types(draft: Draft, answer: str, found: list[Part]) -> None:
    names = list(dict.fromkeys(part.instrument for part in found))
    wanted = NUMBERS.index(answer)
    for _ in range(wanted - len(names)):
        draft.add(draft.any_name())
    surplus = names[wanted:] if draft.rng.random() < 0.5 else names[: max(len(names) - wanted, 0)]
    for part in found:
        if part.instrument in surplus:
            if wanted and draft.rng.random() < 0.5:
                kept = [name for name in names if name not in surplus]
                part.instrument = kept[int(draft.rng.integers(len(kept)))]
            else:
                _hush(draft, part)


def _seen_types(draft: Draft, answer: str) -> None:
    _types(draft, answer, draft.seen())


def _sounding_types(draft: Draft, answer: str) -> None:
    _types(draft, answer, draft.played())


def _comparison(
    find: Callable[..., tuple[Part, Part]], make: Callable[[Draft, Part, Part], None]
) -> Repair:
    def repair(draft: Draft, answer: str, *values: str) -> None:
        one, other = find(draft, *values)
        make(draft, *((one, other) if answer == "yes" else (other, one)))

    return repair


def _louder(draft: Draft, more: Part, less: Part) -> None:
    more.level = max(more.level, 0.9)
    less.level = more.level / float(draft.rng.uniform(1.5, 2.2))


def _more_rhythmic(draft: Draft, more: Part, less: Part) -> None:
    more.rhythm = float(draft.rng.uniform(0.6, 1.0))
    less.rhythm = float(draft.rng.uniform(0.0, 0.25))


def _longer(draft: Draft, answer: str, one: str, other: str) -> None:
    first, second = _named(draft, one, other)
    long, short = (first, second) if answer == "yes" else (second, first)
    if answer == "no" and draft.rng.random() < 0.5:
        short.start, short.end = long.start, long.end
        return
    long.start, long.end = 0.0, 1.0
    short.start, short.end = 0.0, float(draft.rng.uniform(0.3, 0.7))


def _named(draft: Draft, one: str, other: str) -> tuple[Part, Part]:
    return draft.only_heard(one), draft.only_heard(other)


def _sided(draft: Draft, side: str, elsewhere: str) -> tuple[Part, Part]:
    return _standing(draft, side), _standing(draft, elsewhere)


def _named_sided(draft: Draft, one: str, at: str, two: str, by: str) -> tuple[Part, Part]:
    return draft.alone_at(at, one), draft.alone_at(by, two)


def _standing(draft: Draft, side: str) -> Part:
    """Return the outermost part on a side, sounding and apart from the others."""
    if side == "middle":
        return draft.alone_at("middle")
    while len(draft.seen()) < 2:
        draft.add(draft.any_name())
    ordered = sorted(draft.seen(), key=lambda part: part.x, reverse=side == "right")
    ordered[0].x = 0.1 if side == "left" else 0.9
    for part in ordered[1:]:
        part.x = float(np.clip(part.x, 0.25, 0.9) if side == "left" else np.clip(part.x, 0.1, 0.75))
    ordered[0].sounds = True
    return ordered[0]


def _place(draft: Draft, answer: str) -> None:
    draft.place = answer


def _kind(draft: Draft, answer: str) -> None:
    for part in draft.seen() or [draft.add(answer)]:
        part.instrument = answer


def _outermost(draft: Draft, answer: str, where: str) -> None:
    found = (draft.seen(answer) or [draft.add(answer)])[0]
    edge = min if where == "leftest" else max
    other = edge(draft.seen(), key=lambda part: part.x)
    found.x, other.x = other.x, found.x


def _set_beside(draft: Draft, known: Part, answer: str, place: str) -> None:
    found = [part for part in draft.seen(answer) if part is not known] or [draft.add(answer)]
    if place == "middle":
        draft.alone_at("middle", answer)
        return
    step = 0.3 if place == "right" else -0.3
    known.x = float(np.clip(known.x, 0.08 - min(step, 0), 0.92 - max(step, 0)))
    found[0].x = known.x + step


def _neighbour(draft: Draft, answer: str, place: str, name: str) -> None:
    found = draft.seen(name) or [draft.add(name)]
    outer = max if place == "right" else min
    if answer == name:
        outer = min if place == "right" else max
    _set_beside(draft, outer(found, key=lambda part: part.x), answer, place)


def _from_stage(draft: Draft, answer: str) -> None:
    if answer == "yes":
        draft.some_played()
        return
    for part in draft.played():
        part.sounds = False
    if not draft.heard():
        draft.add_any(visible=False)


def _always(draft: Draft, answer: str, name: str) -> None:
    part = draft.some_played(name)
    if answer == "yes":
        part.start, part.end = 0.0, 1.0
        return
    for part in draft.played(name):
        part.end = min(part.end, max(part.start + 0.3, float(draft.rng.uniform(0.5, 0.9))))
        if part.end > 0.95:
            part.start, part.end = 0.0, float(draft.rng.uniform(0.5, 0.9))


def _voiceover(draft: Draft, answer: str) -> None:
    unseen = [part for part in draft.heard() if not part.visible]
    if answer == "yes" and not unseen:
        draft.add_any(visible=False)
    if answer == "no":
        for part in unseen:
            draft.parts.remove(part)


def _extreme(draft: Draft, answer: str, which: str) -> None:
    part = draft.some_played()
    draft.stand_at(part, answer)
    others = [other.level for other in draft.played() if other is not part]
    if which == "loudest":
        part.level = max([1.0, *others]) * 1.5
    else:
        part.level = min([1.0, *others]) / 1.5


def _enter(draft: Draft, part: Part, which: str) -> None:
    """Let a part come in clearly before or after every other."""
    others = [other for other in draft.played() if other is not part]
    if which == "first":
        part.start = 0.0
        for other in others:
            other.start = max(other.start, float(draft.rng.uniform(0.12, 0.4)))
            other.end = max(other.end, other.start + 0.3)
        return
    part.start, part.end = 0.8, 1.0
    for other in others:
        other.start = min(other.start, 0.6)


def _entrance_from(draft: Draft, answer: str, which: str, place: str) -> None:
    part = draft.some_played()
    _enter(draft, part, which)
    sides = [s for s in SIDES if (s == place) == (answer == "yes")]
    draft.stand_at(part, sides[int(draft.rng.integers(len(sides)))])


def _entrance_side(draft: Draft, answer: str, which: str) -> None:
    part = draft.some_played()
    _enter(draft, part, which)
    draft.stand_at(part, answer)


def _entrance_neighbour(draft: Draft, answer: str, place: str, which: str) -> None:
    others = [part for part in draft.played() if part.instrument != answer]
    part = draft.pick(others) if others else draft.add(draft.any_name())
    _enter(draft, part, which)
    _set_beside(draft, part, answer, place)


def _same_time(draft: Draft, answer: str, name: str) -> None:
    known, found = draft.only_heard(name), draft.only_heard(answer)
    found.start, found.end = known.start, known.end
    for part in draft.heard():
        if part.instrument not in (name, answer):
            _hush(draft, part)


def _which_first(draft: Draft, answer: str, name: str, which: str) -> None:
    while len(draft.played(name)) < 2:
        draft.add(name)
    asked = draft.played(name)
    if answer == "simultaneously":
        for part in asked:
            part.start = asked[0].start
            part.end = max(part.end, part.start + 0.2)
        return
    chosen = draft.pick(asked)
    draft.stand_at(chosen, answer)
    _enter(draft, chosen, which)


def _comes_in(draft: Draft, answer: str, which: str) -> None:
    rank = SLOTS["<TH>"].index(which)
    chosen = draft.some_played(answer)
    while len(draft.played()) <= rank:
        draft.add(draft.any_name())
    others = [part for part in draft.played() if part is not chosen]
    order = [*others[:rank], chosen, *others[rank:]]
    for part, start in zip(order, np.linspace(0, 0.75, len(order)), strict=True):
        part.start, part.end = float(start) if len(order) > 1 else 0.0, 1.0


def _next_to(draft: Draft, answer: str, order: str, name: str) -> None:
    known, found = draft.only_heard(name), draft.some_played(answer)
    if known is found:
        found = draft.add(answer)
    known.visible = True
    first, second = (known, found) if order == "after" else (found, known)
    first.start, second.start = 0.0, 0.3
    first.end, second.end = max(first.end, 0.3), 1.0
    for other in draft.played():
        if other not in (first, second):
            other.start, other.end = 0.6, 1.0


_REPAIRS: dict[Rule, Repair] = {
    presence.heard: _heard,
    counting.heard: _heard_count,
    comparing.louder: _comparison(_named, _louder),
    comparing.more_rhythmic: _comparison(_named, _more_rhythmic),
    comparing.longer: _longer,
    presence.seen: _seen,
    counting.seen_kinds: _seen_types,
    counting.seen_of: _object_count,
    standing.place: _place,
    standing.neighbour: _neighbour,
    standing.kind: _kind,
    standing.outermost: _outermost,
    presence.from_stage: _from_stage,
    presence.always_playing: _always,
    presence.voiceover: _voiceover,
    standing.loudest: _extreme,
    entering.from_side: _entrance_from,
    entering.same_time: _same_time,
    entering.neighbour: _entrance_neighbour,
    counting.played: _played_count,
    counting.played_kinds: _sounding_types,
    counting.silent: _silent_count,
    counting.played_of: _sounding_object_count,
    comparing.side_louder: _comparison(_sided, _louder),
    comparing.side_more_rhythmic: _comparison(_sided, _more_rhythmic),
    comparing.named_side_louder: _comparison(_named_sided, _louder),
    comparing.named_side_more_rhythmic: _comparison(_named_sided, _more_rhythmic),
    entering.side: _entrance_side,
    entering.which_of: _which_first,
    entering.ranked: _comes_in,
    entering.next_to: _next_to,
}
