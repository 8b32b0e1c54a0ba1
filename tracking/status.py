"""Running and past sweeps: how many of their trials are done, failed, pruned or missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from tracking.writer import Held, MlflowStore, datasets, require_store


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
        }


def list_sweeps(uri: str, home: Path | None = None) -> list[SweepStatus]:
    """Return every sweep of a tracking store, the most recent first.

    Args:
        uri: the tracking URI.
        home: the storage's driver folder, to tell a running sweep from an interrupted one.

    Raises:
        TrackingError: the store is not there or cannot be reached.
    """
    require_store(uri)
    found: list[SweepStatus] = []
    alive = home is None or _is_locked(home)
    for dataset in datasets(uri):
        store = MlflowStore(uri, dataset)
        held = store.held()
        found += [_status(store, run, held, alive, dataset) for run in store.sweeps()]
    return sorted(found, key=lambda sweep: -sweep.started)


def _status(
    store: MlflowStore, run: Run, held: Mapping[str, Held], alive: bool, dataset: str
) -> SweepStatus:
    tags = run.data.tags
    plan = _plan(store, run.info.run_id)
    keys = frozenset(plan.get("trials", {}))
    states = [held[key].state if key in held else "missing" for key in keys]
    status = tags.get("tass.status", "running")
    if status == "running" and not alive:
        status = "interrupted"
    open_trials = states.count("running")
    return SweepStatus(
        run_id=run.info.run_id,
        name=tags.get("tass.sweep", run.info.run_name),
        dataset=dataset,
        fingerprint=tags.get("tass.fingerprint", ""),
        status=status,
        started=run.info.start_time / 1000,
        seeds=tuple(int(seed) for seed in plan.get("seeds", ())),
        keys=keys,
        finished=states.count("finished"),
        failed=states.count("failed"),
        pruned=states.count("pruned"),
        running=open_trials if status == "running" else 0,
        missing=states.count("missing") + (0 if status == "running" else open_trials),
        command=tags.get("tass.command", ""),
    )


def _plan(store: MlflowStore, run_id: str) -> dict[str, Any]:
    try:
        plan = json.loads(store.download(run_id, "plan.json").read_text())
    except (MlflowException, OSError, ValueError):
        return {}
    return plan if isinstance(plan, dict) else {}


def _is_locked(home: Path) -> bool:
    path = home / "sweep.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
