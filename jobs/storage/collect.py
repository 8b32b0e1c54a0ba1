"""What of a storage no sweep needs any more, and how much room it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.storage import Storage
from jobs.storage.results import finished, settled, stored_sweeps
from jobs.storage.saved import (
    PACKS,
    SavedPack,
    newest_generation,
    newest_saved,
    read_pack,
)
from tass_core.errors import TrackingError
from tracking.events import TrialEnded
from tracking.reader import Snapshot, chosen


@dataclass(frozen=True, slots=True)
class Waste:
    """Files that nothing needs."""

    name: str
    """A file or a folder, below the storage."""
    size: int
    """Bytes."""
    why: str


@dataclass(slots=True)
class Survey:
    """What was found."""

    waste: list[Waste] = field(default_factory=list)
    aside: list[Waste] = field(default_factory=list)
    """Packs that this version cannot read; they are left as they are."""
    kept: int = 0
    """Bytes of all else."""


def survey(storage: Storage, snapshot: Snapshot) -> Survey:
    """Look for what no sweep needs: old states, dropped weights, what late processes left.

    All that a run of MLflow points at is needed, and so are the results of finished trials, and
    the newest state of packs that a sweep wants to go on.

    Args:
        storage: all of it is listed.
        snapshot: of every dataset, of the tracking store that the storage's sweeps use.

    Raises:
        TrackingError: a sweep's plan cannot be read, so that nobody knows what it needs.
        OSError: the storage does not answer.
    """
    damaged = next((sweep.damage for sweep in snapshot.sweeps if sweep.damage), None)
    if damaged is not None:
        raise TrackingError(damaged)
    found = Survey()
    packs: dict[str, dict[str, int]] = {}
    for name, size in storage.names(PACKS).items():
        key, _, inner = name.partition("/")
        packs.setdefault(key, {})[inner] = size
    read = {key: _read(storage, f"{PACKS}/{key}", files) for key, files in sorted(packs.items())}
    needs = _Needs(storage, snapshot, list(filter(None, read.values())))
    for key, saved in read.items():
        _survey_pack(f"{PACKS}/{key}", packs[key], saved, needs, found)
    probes = storage.names("probe")
    if probes:
        found.waste.append(Waste("probe", sum(probes.values()), "left by a check"))
    return found


def remove(storage: Storage, waste: Collection[Waste]) -> None:
    """Remove what a survey found.

    Raises:
        OSError: the storage does not answer.
    """
    for item in waste:
        storage.delete(item.name)


class _Needs:
    """What MLflow and the finished trials point at, and which packs go on."""

    def __init__(self, storage: Storage, snapshot: Snapshot, packs: Sequence[SavedPack]) -> None:
        held = {key: chosen(runs) for key, runs in snapshot.trials.items()}
        ended = {key for key, run in held.items() if run.state == "finished"}
        wanted = [set(sweep.keys) for sweep in snapshot.sweeps]
        # A store that is new, or not theirs, knows nothing of the sweeps that go on here.
        wanted += [set(sweep.opened.plan["trials"]) for sweep in stored_sweeps(storage)]
        self._open = set[str]().union(*wanted) - ended
        """Keys of the trials that a sweep wants and that have not finished."""
        self._left = _ended_elsewhere(packs)
        checkpoints = [run.checkpoint or "" for runs in snapshot.trials.values() for run in runs]
        # Whatever stands before it: the storage may have been moved, or be mounted elsewhere.
        self.files = {f"{PACKS}/{it.rpartition(f'/{PACKS}/')[2]}" for it in checkpoints if it}
        """Files and folders below the storage that somebody points at."""
        for key, story in finished(storage, settled(storage)).items():
            end = story[-1]
            assert isinstance(end, TrialEnded)
            self.files.add(str(end.predictions))
            # Of a trial that MLflow does not hold, nobody has decided what to drop.
            if end.weights and key not in ended:
                self.files.add(end.weights)

    def goes_on(self, saved: SavedPack) -> bool:
        """Whether a sweep wants a pack to go on.

        Survivors leave their packs for good. A pack that prunes nobody is handed out again though
        it was divided.
        """
        states = saved.states or dict.fromkeys(saved.pack.members, "running")
        left = self._left if saved.pack.pruner is not None else ()
        return any(
            state == "running" and key in self._open and (saved.pack.key, key) not in left
            for key, state in states.items()
        )

    def file(self, name: str) -> bool:
        """Whether somebody points at a file, or at a folder above it."""
        parts = name.split("/")
        return any("/".join(parts[:end]) in self.files for end in range(1, len(parts) + 1))


def _ended_elsewhere(packs: Sequence[SavedPack]) -> set[tuple[str, str]]:
    """Return (pack, trial) for every member that went on in another pack and ended there.

    Until it has ended, a search finds it by the packs on its way.
    """
    found: set[tuple[str, str]] = set()
    # What goes on from a pack comes from a later rung, or has fewer members.
    for saved in sorted(packs, key=lambda it: (-it.pack.since, len(it.pack.members))):
        for key, origin in saved.pack.origins.items():
            if saved.states.get(key, "running") != "running" or (saved.pack.key, key) in found:
                found.add((origin, key))
    return found


def _read(storage: Storage, folder: str, files: Mapping[str, int]) -> SavedPack | None:
    """Return a pack as its newest process left it, or None when nothing can be made of it."""
    newest, saved = newest_generation(files), newest_saved(files)
    if newest is None:
        return None
    return read_pack(storage, f"{folder}/{saved or newest}", saved is not None)


def _survey_pack(
    folder: str, files: Mapping[str, int], pack: SavedPack | None, needs: _Needs, found: Survey
) -> None:
    """Sort a pack's files into what is needed, what is not, and what cannot be read."""
    if pack is None:
        found.aside.append(Waste(folder, sum(files.values()), "of another version, or damaged"))
        return
    goes_on = needs.goes_on(pack)
    generations = {newest_generation(files), newest_saved(files)} if goes_on else set()
    waste = {
        name: size
        for name, size in files.items()
        if name.partition("/")[0] not in generations and not needs.file(f"{folder}/{name}")
    }
    found.kept += sum(files.values()) - sum(waste.values())
    why = "of an earlier process" if goes_on else "of a pack that has ended"
    found.waste += _together(folder, files, waste, why)


def _together(
    folder: str, files: Mapping[str, int], waste: Mapping[str, int], why: str
) -> list[Waste]:
    """Name whole folders where all that is in them goes, and else each file."""
    if waste.keys() == files.keys():
        return [Waste(folder, sum(files.values()), why)]
    found: list[Waste] = []
    for generation in sorted({name.partition("/")[0] for name in waste}):
        inside = {name for name in files if name.startswith(f"{generation}/")}
        gone = {name: size for name, size in waste.items() if name in inside}
        if gone.keys() == inside:
            found.append(Waste(f"{folder}/{generation}", sum(gone.values()), why))
        else:
            found += [Waste(f"{folder}/{name}", size, why) for name, size in sorted(gone.items())]
    return found
