"""Generations: every process that trains a pack writes in a folder of its own.

A generation is ``packs/<pack key>/<lease>-<number>``, made by the one process that creates its file
``members.json``. It begins with what the newest generation before it saved, and is the newest from
then on. So no process can overwrite what a later one wrote, however late it wakes up: nobody
reads its folder any more. It is told so when it next saves, and ends.
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
    """

    def __init__(self, storage: Storage, name: str, number: int, folder: Path) -> None:
        self._storage, self._number = storage, number
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
    return Generation(storage, name, number, _lay_out(storage, pack, name, names))


def _lay_out(storage: Storage, pack: Pack, name: str, names: Iterable[str]) -> Path:
    """Return the folder to train in, with what the pack, or the one it was part of, has saved."""
    source, saved = pack.key, newest_saved(names)
    if saved is None and pack.origin is not None:
        source = pack.origin
        saved = newest_saved(storage.names(f"{PACKS}/{source}"))
    for _ in range(_TRIES if saved else 0):
        try:
            return _continue(storage, pack, name, f"{PACKS}/{source}/{saved}")
        except FileNotFoundError:
            # Whoever still trains it has saved another epoch meanwhile.
            storage.leave(name)
    if saved:
        leave_aside(f"{storage.place}/{PACKS}/{source}/{saved}", "files of it are gone")
    return storage.workspace(name, {})


def _continue(storage: Storage, pack: Pack, name: str, source: str) -> Path:
    """Return a folder with what a generation saved; FileNotFoundError if that goes meanwhile."""
    try:
        index = read_index(storage.read(f"{source}/{INDEX}"))
        index["records"] = [it for it in index["records"] if it["key"] in pack.members]
        wanted = _wanted(index, results.settled(storage))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        leave_aside(f"{storage.place}/{source}", str(error))
        return storage.workspace(name, {})
    there = storage.names(source)
    found = {inner: f"{source}/{inner}" for inner in there if inner.startswith(wanted)}
    if any(not any(inner.startswith(begin) for inner in found) for begin in wanted):
        raise FileNotFoundError(f"{source} has lost what its index names")
    folder = storage.workspace(name, found)
    with write_atomically(folder / INDEX) as partial:
        partial.write_text(json.dumps(index) + "\n")
    return folder


def _wanted(index: Mapping[str, Any], settled: Collection[str]) -> tuple[str, ...]:
    """Return the beginnings of the files without which a pack cannot go on."""
    wanted: list[str] = []
    for record in index["records"]:
        folder, best = f"trials/{record['key']}", f"best-{record['best_epoch']:04d}/"
        open_end = record["status"] == "finished" and record["key"] not in settled
        if record["status"] == "running":
            wanted.append(f"state-{index['epoch']:04d}.")
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
