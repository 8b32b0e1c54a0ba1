"""Where and what: the place, who stands where, who is alone on the stage."""

from __future__ import annotations

from tass_core.data.world.listening import Listener, Settled, level
from tass_core.data.world.rules.comparing import LOUDER


def place(listener: Listener) -> Settled | None:
    """Answer indoor or outdoor."""
    return Settled(listener.scene.place, (), listener.everything)


def kind(listener: Listener) -> Settled | None:
    """Answer with the only kind of instrument on the stage."""
    if len({source.instrument for source in listener.seen}) != 1:
        return None
    return Settled(listener.seen[0].instrument, tuple(listener.seen), listener.everything)


def outermost(listener: Listener, which: str) -> Settled | None:
    """Answer with the leftmost or rightmost instrument; the files say "leftest"."""
    found = listener.outermost(which.removesuffix("est"))
    if found is None:
        return None
    return Settled(found.instrument, (found,), listener.everything)


def neighbour(listener: Listener, side: str, name: str) -> Settled | None:
    """Answer for the outermost instrument of that name that has somebody on that side."""
    ordered = sorted(listener.of(name, listener.seen), key=lambda source: source.x)
    for known in reversed(ordered) if side == "right" else ordered:
        found = listener.beside(side, known)
        if found is not None:
            return Settled(found.instrument, (known, found), listener.everything)
    return None


def loudest(listener: Listener, which: str) -> Settled | None:
    """Answer where the loudest or softest stands; the files say "lowest" for softest."""
    if not listener.played:
        return None
    ordered = sorted(listener.played, key=level, reverse=which == "loudest")
    levels = [level(source) for source in ordered]
    if len(levels) > 1 and max(levels[0] / levels[1], levels[1] / levels[0]) < LOUDER:
        return None
    where = listener.side(ordered[0])
    if where is None:
        return None
    return Settled(where, (ordered[0],), listener.while_sounding(*ordered))
