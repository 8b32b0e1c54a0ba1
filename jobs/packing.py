"""Which trials train together, and which interrupted packs go on."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from jobs.packs import Pack
from jobs.storage import Storage
from jobs.storage.saved import SavedPack, saved_packs
from tass_core.errors import SweepError
from tass_core.trial import Trial, structure_key

Cost = Callable[[Trial], float]
"""Returns what a trial takes, in any unit."""
LARGEST = 8
"""Members of a pack unless ``--pack-size`` says otherwise; their weights share the memory."""


def epochs_of(trial: Trial) -> float:
    """Return a trial's epochs: its cost where nothing else is known."""
    return float(trial.config.optimiser.epochs)


def choose_packs(
    missing: Mapping[str, Trial],
    wanted: Mapping[str, Trial],
    storage: Storage,
    size: int | None,
    slots: int,
    cost: Cost,
) -> list[Pack]:
    """Return the packs to run: interrupted ones first, then new ones, the dearest first.

    Without a size, every slot gets about four packs of equal cost, for an even finish.

    Args:
        missing: what has to be trained, by key.
        wanted: all that the sweep asks for, what is held included.
        storage: looked at for interrupted packs.
        size: the most members of a pack; None chooses.
        slots: packs that run at once.
        cost: of a trial.
    """
    adopted = adopt(missing, unfinished(storage, set(wanted)))
    # A member that failed tells so again, and then starts again.
    taken = {key for pack in adopted for key in pack.members}
    rest = {key: trial for key, trial in missing.items() if key not in taken}
    share = sum(map(cost, rest.values())) / (4 * max(slots, 1)) if size is None else math.inf
    return [*adopted, *make_packs(rest, size or LARGEST, share, cost)]


def unfinished(storage: Storage, wanted: set[str]) -> dict[Pack, set[str]]:
    """Return the interrupted packs of wanted trials, with the keys of their open members.

    First attempts come first: they tell of the later ones.

    Raises:
        SweepError: the storage does not answer.
    """
    every = read_packs(storage)
    found = [it for it in every if it.pack.pruner is None and it.pack.members.keys() <= wanted]
    return {
        saved.pack: {key for key, state in saved.states.items() if state == "running"}
        for saved in sorted(found, key=lambda saved: saved.pack.attempt)
    }


def read_packs(storage: Storage) -> list[SavedPack]:
    """Return every pack that was started.

    Raises:
        SweepError: the storage does not answer.
    """
    try:
        return list(saved_packs(storage))
    except OSError as error:
        raise SweepError(f"--storage {storage.place}: {error}") from None


def interrupted(
    packs: Sequence[Pack], saved: Iterable[SavedPack], running: Collection[str]
) -> list[Pack]:
    """Return the packs in which the members of packs are now, after rungs and divisions.

    One whose members are all still in it goes on as it was, ended ones included; of another one
    those members are left that are running and have gone nowhere else.

    Args:
        packs: as they were proposed.
        saved: all that the storage has.
        running: keys of members without an end.
    """
    known = {pack.key: pack for pack in packs}
    where = {key: pack.key for pack in packs for key in pack.members}
    # What goes on from a pack comes from a later rung, or has fewer members.
    for it in sorted(saved, key=lambda it: (it.pack.since, -len(it.pack.members))):
        origins = set(it.pack.origins.values())
        if it.states and origins and origins <= known.keys():
            known[it.pack.key] = it.pack
            where |= dict.fromkeys(it.pack.members, it.pack.key)
    left: dict[str, list[str]] = defaultdict(list)
    for key, place in where.items():
        if key in running:
            left[place].append(key)
    return [
        pack if all(where[key] == place for key in pack.members) else pack.part(keys, pack.pruner)
        for place, keys in left.items()
        for pack in (known[place],)
    ]


def make_packs(
    trials: Mapping[str, Trial], size: int, share: float = math.inf, cost: Cost = epochs_of
) -> list[Pack]:
    """Group trials of equal seed and structure, the dearest packs first.

    Args:
        trials: trial key -> trial.
        size: the most members of a pack.
        share: what a pack may cost, unless it has one member.
        cost: of a trial.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for key, trial in trials.items():
        groups.setdefault((trial.seed, structure_key(trial.config)), []).append(key)
    packs = [
        Pack({key: trials[key] for key in part})
        for keys in groups.values()
        for part in _evenly(keys, min(size, _affordable(keys, trials, share, cost)))
    ]
    return sorted(packs, key=lambda pack: -sum(map(cost, pack.members.values())))


def choose_size(trials: int, slots: int) -> int:
    """Return a pack size that gives every slot about four packs, for an even finish."""
    return max(1, min(LARGEST, math.ceil(trials / (4 * max(slots, 1)))))


def adopt(missing: Mapping[str, Trial], unfinished: Mapping[Pack, set[str]]) -> list[Pack]:
    """Return the interrupted packs to continue: all of their open trials are still wanted.

    Args:
        missing: trial key -> trial of what has to run.
        unfinished: packs found on the storage, each with the keys of its open members.
    """
    adopted: list[Pack] = []
    taken: set[str] = set()
    for pack, keys in unfinished.items():
        if keys and keys <= missing.keys() and not keys & taken:
            adopted.append(pack)
            taken |= pack.members.keys()
    return adopted


def _affordable(keys: Sequence[str], trials: Mapping[str, Trial], share: float, cost: Cost) -> int:
    """Return how many of a group's trials a share pays for, at least one."""
    mean = sum(cost(trials[key]) for key in keys) / len(keys)
    return len(keys) if math.isinf(share) else max(1, math.ceil(share / mean - 1e-9))


def _evenly(keys: Sequence[str], size: int) -> list[Sequence[str]]:
    parts = math.ceil(len(keys) / max(size, 1))
    edges = [len(keys) * part // parts for part in range(parts + 1)]
    return [keys[start:end] for start, end in itertools.pairwise(edges)]
