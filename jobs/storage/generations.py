"""Generations: every process that trains a pack writes in a folder of its own.

A generation is ``packs/<pack key>/<lease>-<number>``, made by the one process that creates its file
``members.json``. It begins with what the newest generation before it saved, or the packs that its
members come from, and is the newest from then on. So no process can overwrite what a later one
wrote, however late it wakes up: nobody reads its folder any more. It is told so when it next saves,
and ends.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jobs.packs import Pack
from jobs.storage import Storage, lease, results
from jobs.storage.saved import (
    INDEX,
    MEMBERS,
    PACKS,
    leave_aside,
    newest_generation,
    newest_saved,
    read_index,
)
from tass_core.errors import SweepError
from tass_core.files import write_atomically
from tracking.events import Result, TrialEnded

_TRIES = 5
"""How often a pack is read again that somebody still trains."""


class Generation:
    """A pack that this process trains; see ``begin``.

    Args:
        storage: where the pack is.
        name: the generation's folder there.
        number: of the driver's lease.
        folder: where the pack trains, on this node.
        taken: files of other packs that nobody needs once this one has saved something.
    """

    def __init__(
        self, storage: Storage, name: str, number: int, folder: Path, taken: Collection[str]
    ) -> None:
        self._storage, self._number, self._taken = storage, number, taken
        self.name, self.folder = name, folder
        self._saver = ThreadPoolExecutor(1, "saver")
        self._saved: int | None = None

    def save(self, stories: Sequence[Sequence[Result]]) -> Future[list[TrialEnded]]:
        """Have what the folder holds saved, in the background and after what came before.

        Args:
            stories: all results of each trial that has ended since the last call.

        Returns:
            The ends that may be told once all that they name can be fetched by every node. It
            raises SweepError when another process has taken the pack, and OSError when the
            storage does not answer.
        """
        index = self.folder / INDEX
        mark = index.stat().st_mtime_ns if index.exists() else None
        publish = None if mark == self._saved else self._storage.stage(self.name)
        self._saved = mark

        def settle() -> list[TrialEnded]:
            if publish is not None:
                publish()
                self._require()
            return [results.settle(self._storage, story) for story in stories]

        return self._saver.submit(settle)

    def close(self) -> None:
        """Wait for what is being saved, and remove what this node has of the pack."""
        self._saver.shutdown()
        self._storage.leave(self.name)

    def _require(self) -> None:
        """Raise SweepError unless nobody has taken the pack since; remove what came before."""
        _require_lease(self._storage, self._number)
        pack, _, own = self.name.rpartition("/")
        names = self._storage.names(pack)
        if newest_generation(names) != own:
            raise SweepError(f"{self.name}: another process has taken this pack since")
        for name in names:
            if name.partition("/")[0] < own and "/state-" in name:
                self._storage.delete(f"{pack}/{name}")
        for name in self._taken:
            self._storage.delete(name)
        self._taken = ()


def begin(storage: Storage, pack: Pack, number: int) -> Generation:
    """Begin a generation of a pack, with what earlier processes saved of it.

    Args:
        storage: a worker's.
        pack: what to train.
        number: of the driver's lease.

    Raises:
        SweepError: another driver has the storage.
        OSError: the storage does not answer.
    """
    _require_lease(storage, number)
    while True:
        names = storage.names(f"{PACKS}/{pack.key}")
        before = newest_generation(names) or f"{0:06d}-{0:04d}"
        if int(before[:6]) > number:
            raise SweepError(f"pack {pack.key}: a process of a newer driver has taken it")
        count = int(before[7:]) + 1 if int(before[:6]) == number else 1
        name = f"{PACKS}/{pack.key}/{number:06d}-{count:04d}"
        if storage.create(f"{name}/{MEMBERS}", _describe(pack)):
            break
    # Survivors leave their packs for good. A pack that is divided may be handed out again.
    folder, files = _lay_out(storage, pack, name, names)
    taken = [it for it in files if pack.pruner and not it.startswith(f"{PACKS}/{pack.key}/")]
    return Generation(storage, name, number, folder, taken)


def _lay_out(
    storage: Storage, pack: Pack, name: str, names: Iterable[str]
) -> tuple[Path, Collection[str]]:
    """Return the folder to train in, and the files of earlier generations that it begins with."""
    sources = _sources(storage, pack, names)
    for _ in range(_TRIES if sources else 0):
        try:
            return _continue(storage, name, sources)
        except FileNotFoundError:
            # Whoever still trains it has saved another epoch meanwhile.
            storage.leave(name)
    for source in sources:
        leave_aside(f"{storage.place}/{source}", "files of it are gone")
    return storage.workspace(name, {}), ()


def _sources(storage: Storage, pack: Pack, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the generations that a pack goes on from, and which members from each.

    All members begin anew, with no generation, where one of them has nothing to go on from.
    """
    saved = newest_saved(names)
    if saved is not None:
        return {f"{PACKS}/{pack.key}/{saved}": list(pack.members)}
    found: dict[str, list[str]] = {}
    for origin in sorted(set(pack.origins.values())):
        saved = newest_saved(storage.names(f"{PACKS}/{origin}"))
        if saved is None:
            return {}
        keys = [key for key, place in pack.origins.items() if place == origin]
        found[f"{PACKS}/{origin}/{saved}"] = keys
    return found


def _continue(
    storage: Storage, name: str, sources: Mapping[str, Collection[str]]
) -> tuple[Path, Collection[str]]:
    """Return a folder with what generations saved of members, and the files that were there.

    Raises:
        FileNotFoundError: a file went meanwhile.
    """
    settled, indices = results.settled(storage), list[dict[str, Any]]()
    found: dict[str, str] = {}
    for source, keys in sources.items():
        try:
            index = read_index(storage.read(f"{source}/{INDEX}"))
            index["records"] = [it for it in index["records"] if it["key"] in keys]
            wanted = _wanted(index, settled)
            if indices and index["epoch"] != indices[0]["epoch"]:
                raise ValueError("what goes on with it stopped after another epoch")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            leave_aside(f"{storage.place}/{source}", str(error))
            return storage.workspace(name, {}), ()
        there = storage.names(source)
        files = {inner: f"{source}/{inner}" for inner in there if inner.startswith(wanted)}
        if any(not any(inner.startswith(begin) for inner in files) for begin in wanted):
            raise FileNotFoundError(f"{source} has lost what its index names")
        found |= files
        indices.append(index)
    folder = storage.workspace(name, found)
    with write_atomically(folder / INDEX) as partial:
        partial.write_text(json.dumps(_joined(indices)) + "\n")
    return folder, found.values()


def _joined(indices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the index of members that come together; a width that all chose is kept."""
    records = [record for index in indices for record in index["records"]]
    widths = {index.get("width") for index in indices}
    return {
        **indices[0],
        "records": sorted(records, key=lambda record: str(record["key"])),
        "width": widths.pop() if len(widths) == 1 else None,
    }


def _wanted(index: Mapping[str, Any], settled: Collection[str]) -> tuple[str, ...]:
    """Return the beginnings of the files without which a pack cannot go on."""
    wanted: list[str] = []
    for record in index["records"]:
        folder, best = f"trials/{record['key']}", f"best-{record['best_epoch']:04d}/"
        open_end = record["status"] == "finished" and record["key"] not in settled
        if record["status"] == "running":
            wanted.append(f"state-{index['epoch']:04d}/{record['key']}.")
        if record["best_epoch"] and (open_end or record["status"] == "running"):
            wanted.append(f"{folder}/{best}")
        if open_end:
            wanted.append(f"{folder}/predictions.parquet")
    return tuple(wanted)


def _describe(pack: Pack) -> str:
    """Return the text of ``members.json``, which no other process writes alike."""
    by = f"process {os.getpid()} on {socket.gethostname()}"
    return json.dumps({**pack.to_dict(), "taken": by, "token": uuid.uuid4().hex}) + "\n"


def _require_lease(storage: Storage, number: int) -> None:
    newest = lease.newest(storage)
    if newest > number:
        raise SweepError(
            f"{storage.place}: driver {newest} has the storage, this process works for {number}"
        )
