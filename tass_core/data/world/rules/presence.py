"""Is it there: presence in picture and sound, on the stage and off it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tass_core.data.world.listening import Listener, Settled, yes_or_no
from tass_core.data.world.scene import Bools, Source


def heard(listener: Listener, *names: str) -> Settled | None:
    """Answer whether all of these instruments sound."""
    asked = [source for source in listener.heard if source.instrument in names]
    return _all_present(names, asked, listener.while_sounding(*asked))


def seen(listener: Listener, *names: str) -> Settled | None:
    """Answer whether all of these instruments are on the stage."""
    asked = [source for source in listener.seen if source.instrument in names]
    return _all_present(names, asked, listener.everything)


def _all_present(names: Sequence[str], asked: list[Source], segments: Bools) -> Settled | None:
    if len(set(names)) < len(names):
        return None
    present = {source.instrument for source in asked}
    return Settled(yes_or_no(present == set(names)), tuple(asked), segments)


def from_stage(listener: Listener) -> Settled | None:
    """Answer whether any of the sound comes from the stage."""
    if not listener.heard:
        return None
    segments = listener.while_sounding(*listener.heard)
    return Settled(yes_or_no(bool(listener.played)), tuple(listener.played), segments)


def voiceover(listener: Listener) -> Settled | None:
    """Answer whether something sounds whose source is not on the stage."""
    unseen = [source for source in listener.heard if not source.visible]
    segments = listener.while_sounding(*unseen)
    return Settled(yes_or_no(bool(unseen)), tuple(listener.played), segments)


def always_playing(listener: Listener, name: str) -> Settled | None:
    """Answer whether one of an instrument on the stage plays in every second."""
    asked = listener.of(name, listener.seen)
    if not asked:
        return None
    playing = np.logical_or.reduce([source.sounding for source in asked])
    return Settled(yes_or_no(bool(playing.all())), tuple(asked), listener.everything)
