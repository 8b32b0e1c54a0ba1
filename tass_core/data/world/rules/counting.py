"""How many: instruments and kinds of them, seen, heard, or silent on the stage."""

from __future__ import annotations

from tass_core.data.music_avqa.vocabulary import NUMBERS
from tass_core.data.world.listening import Listener, Settled
from tass_core.data.world.scene import Bools, Source


def heard(listener: Listener) -> Settled | None:
    """Count all that sounds."""
    return _count(listener.heard, listener.while_sounding(*listener.heard))


def played(listener: Listener) -> Settled | None:
    """Count what sounds on the stage."""
    return _count(listener.played, listener.while_sounding(*listener.played))


def silent(listener: Listener) -> Settled | None:
    """Count what never sounds on the stage."""
    return _count([item for item in listener.seen if not item.sounds], listener.everything)


def seen_of(listener: Listener, name: str) -> Settled | None:
    """Count an instrument on the stage."""
    return _count(listener.of(name, listener.seen), listener.everything)


def played_of(listener: Listener, name: str) -> Settled | None:
    """Count an instrument that sounds on the stage."""
    asked = listener.of(name, listener.played)
    return _count(asked, listener.while_sounding(*asked))


def seen_kinds(listener: Listener) -> Settled | None:
    """Count the kinds of instruments on the stage."""
    return _count_kinds(listener.seen, listener.everything)


def played_kinds(listener: Listener) -> Settled | None:
    """Count the kinds of instruments that sound on the stage."""
    return _count_kinds(listener.played, listener.while_sounding(*listener.played))


def _count(asked: list[Source], segments: Bools) -> Settled:
    return Settled(_number(len(asked)), tuple(asked), segments)


def _count_kinds(asked: list[Source], segments: Bools) -> Settled:
    return Settled(_number(len({item.instrument for item in asked})), tuple(asked), segments)


def _number(count: int) -> str:
    return NUMBERS[min(count, len(NUMBERS) - 1)]
