"""Rungs: where survivors of halving wait for those of other packs, to go on with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from jobs.packing import LARGEST
from jobs.packs import Pack
from tass_core.training.pruning import Pruner
from tass_core.trial import structure_key

Kind = tuple[int, str, Pruner | None]
"""What packs have in common whose survivors may meet: seed, structure and rule."""

PATIENCE = 3
"""How many other packs come to rungs until two or more survivors go on, though they fill no pack:
a search learns nothing from what waits."""
LONE_PATIENCE = 3 * PATIENCE
"""How many other packs come to rungs since the last of its kind until a single survivor goes on
alone: its kind is rare."""


class _Group(NamedTuple):
    """Survivors of one kind at one rung."""

    pack: Pack
    came: int
    """Packs that had come to rungs when the first of them came."""


class Rungs:
    """The survivors of packs that ended at a rung.

    They go on when there are as many of a kind as a new pack has members, when they have waited
    for long, or when nobody else comes: no new pack, and none of their kind that is in flight
    before their rung.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[Kind, int], _Group] = {}
        self._largest = 0
        """Members of the largest new pack."""
        self._packs = 0
        self._latest: dict[Kind, int] = {}
        """Packs that had come to rungs when the last of a kind came."""

    def wait(self, pack: Pack, survivors: Sequence[str]) -> None:
        """Let survivors of a pack wait at the rung where it ended, if it ended at one."""
        if pack.until is None or pack.until >= pack.epochs or not survivors:
            return
        kind = _kind(pack)
        self._packs += 1
        self._latest[kind] = self._packs
        if not pack.origins:
            self._largest = max(len(pack.members), self._largest)
        new = _Group(Pack({}, pack.pruner, pack.attempt, pack.until), self._packs)
        here, came = self._waiting.get((kind, pack.until), new)
        members = {**here.members, **{key: pack.members[key] for key in survivors}}
        origins = {**here.origins, **dict.fromkeys(survivors, pack.key)}
        together = Pack(members, pack.pruner, pack.attempt, pack.until, origins)
        self._waiting[kind, pack.until] = _Group(together, came)

    def next(self, flying: Collection[Pack], *, last: bool) -> Pack | None:
        """Return a pack of survivors that go on now, from the lowest rung, or None.

        Args:
            flying: the packs that train.
            last: whether no new packs can be had at the moment.
        """
        size = self._largest or LARGEST
        for place in sorted(self._waiting, key=lambda place: place[1]):
            group = self._waiting[place]
            full = len(group.pack.members) >= size
            if full or ((last or self._is_late(place)) and not _may_come(place, flying)):
                return self._take(place, size)
        return None

    def _is_late(self, place: tuple[Kind, int]) -> bool:
        """Whether survivors have waited for long, though new packs may bring others."""
        group, (kind, _) = self._waiting[place], place
        if len(group.pack.members) > 1:
            return self._packs - group.came >= PATIENCE
        return self._packs - self._latest[kind] >= LONE_PATIENCE

    def _take(self, place: tuple[Kind, int], size: int) -> Pack:
        """Return the survivors that came first, and leave the others, but no single one."""
        pack = self._waiting.pop(place).pack
        keys = list(pack.members)
        size -= len(keys) == size + 1 and size > 2
        if len(keys) > size:
            self._waiting[place] = _Group(_some(pack, keys[size:]), self._packs)
        return _some(pack, keys[:size])


def _may_come(place: tuple[Kind, int], flying: Collection[Pack]) -> bool:
    """Whether a pack in flight may bring others to a rung."""
    kind, epoch = place
    return any(
        pack.until is not None and pack.until <= epoch and _kind(pack) == kind for pack in flying
    )


def _kind(pack: Pack) -> Kind:
    first = next(iter(pack.members.values()))
    return pack.seed, structure_key(first.config), pack.pruner


def _some(pack: Pack, keys: Sequence[str]) -> Pack:
    members = {key: pack.members[key] for key in keys}
    origins = {key: pack.origins[key] for key in keys}
    return Pack(members, pack.pruner, pack.attempt, pack.since, origins)
