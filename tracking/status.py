"""Running and past sweeps, their trials' states, and what MLflow is still to be told."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracking import schema
from tracking.outbox import DeadLetter, Outbox, outbox_path
from tracking.reader import Reader, Snapshot, SweepRun, chosen
from tracking.rows import Wanted
from tracking.uris import store_name

LATE = 120.0
"""Seconds without a heartbeat after which a driver counts as dead."""


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """One sweep and its trials' states."""

    run_id: str
    name: str
    dataset: str
    fingerprint: str
    status: str
    """``running``, ``interrupted``, ``finished``, ``failed`` or ``stopped``."""
    started: float
    """Seconds since 1970."""
    seeds: tuple[int, ...]
    keys: frozenset[str]
    finished: int
    failed: int
    pruned: int
    running: int
    missing: int
    command: str
    until_decided: bool
    """Whether it adds seeds until it is decided."""
    driver: str
    """User, host and process of the last driver; empty when it told none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the schema that docs/sweeps.md describes."""
        return {
            "run_id": self.run_id,
            "sweep": self.name,
            "dataset": self.dataset,
            "fingerprint": self.fingerprint,
            "status": self.status,
            "started": self.started,
            "seeds": list(self.seeds),
            "trials": {
                "wanted": len(self.keys),
                "finished": self.finished,
                "failed": self.failed,
                "pruned": self.pruned,
                "running": self.running,
                "missing": self.missing,
            },
            "command": self.command,
            "driver": self.driver,
        }


def list_sweeps(uri: str, running: Collection[str] | None = None) -> list[SweepStatus]:
    """Return every sweep of a tracking store, the most recent first.

    Args:
        uri: the tracking URI.
        running: keys of the sweeps that a driver works on in a storage that was looked at.
            Others are known by their drivers' heartbeats. None when nothing is known.

    Raises:
        TrackingError: the store is not there or cannot be reached.
    """
    snapshot = Reader(uri).snapshot(wanted=Wanted())
    return [
        _status(
            snapshot,
            sweep,
            running is None or sweep.tags.get(schema.SWEEP_KEY) in running or is_heard(sweep),
        )
        for sweep in snapshot.sweeps
    ]


def is_heard(sweep: SweepRun) -> bool:
    """Whether a sweep's driver was heard of lately and, if it is on this host, is still there."""
    beat = float(sweep.tags.get(schema.HEARTBEAT) or 0.0)
    driver = sweep.tags.get(schema.DRIVER, "")
    here = re.search(rf"@{re.escape(socket.gethostname())} \(process (\d+)\)$", driver)
    return time.time() - beat < LATE and (here is None or _runs(int(here[1])))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What an outbox holds for a tracking store."""

    waiting: int
    """Events that the next driver delivers."""
    dead_letters: tuple[DeadLetter, ...]
    """Events that were refused, the oldest first."""

    def to_dict(self) -> dict[str, Any]:
        """Return the schema that docs/sweeps.md describes."""
        letters = [
            {"of": letter.lane, "reason": letter.reason, "event": letter.text}
            for letter in self.dead_letters
        ]
        return {"waiting": self.waiting, "dead_letters": letters}


def read_outbox(home: Path, uri: str) -> OutboxStatus:
    """Return what waits in a storage's driver folder for a tracking store; nothing is made there.

    Raises:
        TrackingError: the outbox cannot be read.
    """
    store = store_name(uri)
    if not outbox_path(home, store).exists():
        return OutboxStatus(0, ())
    outbox = Outbox(home, store)
    try:
        return OutboxStatus(outbox.backlog(), tuple(outbox.dead_letters()))
    finally:
        outbox.close()


def _status(snapshot: Snapshot, sweep: SweepRun, alive: bool) -> SweepStatus:
    found = [snapshot.trials[key] for key in sweep.keys if key in snapshot.trials]
    states = [chosen(runs).state for runs in found]
    missing, unended = len(sweep.keys) - len(found), states.count("running")
    status = "interrupted" if sweep.status == "running" and not alive else sweep.status
    return SweepStatus(
        run_id=sweep.run_id,
        name=sweep.name,
        dataset=sweep.dataset,
        fingerprint=sweep.fingerprint,
        status=status,
        started=sweep.started / 1000,
        seeds=sweep.seeds,
        keys=sweep.keys,
        finished=states.count("finished"),
        failed=states.count("failed"),
        pruned=states.count("pruned"),
        running=unended if status == "running" else 0,
        missing=missing + (0 if status == "running" else unended),
        command=sweep.command,
        until_decided="until_decided" in sweep.plan,
        driver=sweep.tags.get(schema.DRIVER, ""),
    )
