"""The one class that writes MLflow, and what the platform reads back from it.

Every write is idempotent: runs are found by trial key or sweep key before one is created, and
a metric point repeats with the timestamp of its event, which MLflow takes as the same point.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

# An unreachable server must fail in seconds, not after MLflow's default of minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from tass_core.errors import OrphanError, TrackingError
from tracking.described import Event

DEFAULT_URI = "sqlite:///mlflow.db"
BATCH = 1000
"""MLflow's limit on metrics in one call."""
_FINAL = ("test/", "ground/", "params_m", "questions_per_s", "best_epoch")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}


@dataclass(frozen=True, slots=True)
class Held:
    """A trial as MLflow holds it."""

    key: str
    run_id: str
    state: str
    seed: int
    config_hash: str
    variant: str
    fingerprint: str
    sweep: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    params: Mapping[str, str]


def resolve_uri(uri: str | None) -> str:
    """Return the tracking URI to use: as given, from the environment, or the default."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def sqlite_path(uri: str) -> Path | None:
    """Return the database file of a SQLite URI, or None for another kind of store."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").split("?")[0]))


class MlflowStore:
    """One experiment of one tracking store.

    Args:
        uri: the tracking URI.
        dataset: the dataset's name; the experiment is ``tass/<dataset>``.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(self, uri: str, dataset: str) -> None:
        self.uri = uri
        self.name = f"tass/{dataset}"
        self._client = connect(uri)
        found = self._client.get_experiment_by_name(self.name)
        self.experiment_id: str | None = found and found.experiment_id
        self._runs: dict[str, str] = {}
        self._points: dict[str, dict[int, int]] = {}

    def held(self, run_filter: str = "") -> dict[str, Held]:
        """Return the trials of the experiment by key; of several runs the finished one."""
        found: dict[str, Held] = {}
        condition = "tags.`tass.kind` = 'trial'" + (f" and {run_filter}" if run_filter else "")
        for run in self._search(condition):
            trial = _held(run)
            if trial.key not in found or found[trial.key].state != "finished":
                found[trial.key] = trial
        return found

    def sweeps(self) -> list[Run]:
        """Return the parent runs, the most recent first."""
        return self._search("tags.`tass.kind` = 'sweep'")

    def startup(self) -> float | None:
        """Return the seconds that the last sweep took until it trained, or None."""
        told = (run.data.tags.get("tass.startup_seconds") for run in self.sweeps())
        return next((float(seconds) for seconds in told if seconds), None)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, by step."""
        points = self._client.get_metric_history(run_id, metric)
        return sorted((point.step, point.value) for point in points)

    def download(self, run_id: str, artifact: str) -> Path:
        """Return a local copy of an artifact."""
        return Path(
            self._client.download_artifacts(run_id, artifact, tempfile.mkdtemp(prefix="tass-"))
        )

    def apply(self, events: Sequence[Event], fetch: Callable[[str], Path | None]) -> None:
        """Write events; repeating the same ones changes nothing.

        Args:
            events: in the order of the journal.
            fetch: returns a local path for a path relative to the storage.

        Raises:
            MlflowException: the store refuses or is away; everything may be tried again.
        """
        if self.experiment_id is None:
            self.experiment_id = self._create_experiment()
        for event in _merge_epochs(events):
            kind = event["kind"]
            if kind == "sweep":
                self._open_sweep(event)
            elif kind == "plan":
                self._client.log_dict(
                    self._sweep_run(event["sweep_key"]), event["plan"], "plan.json"
                )
            elif kind == "start":
                self._open_trial(event)
            elif kind == "epochs":
                self._log_epochs(event)
            elif kind == "end":
                self._close_trial(event, fetch)
            elif kind == "dropped":
                run_id = self._trial_run(event["key"])
                self._client.set_tag(run_id, "tass.checkpoint", "")
            elif kind == "sweep-end":
                self._close_sweep(event)

    def sweep_run(self, sweep_key: str) -> str | None:
        """Return the parent run's id, or None when there is none yet."""
        if self.experiment_id is None:
            return None
        runs = self._search(f"tags.`tass.sweep_key` = '{sweep_key}'", limit=1)
        return runs[0].info.run_id if runs else None

    def _open_sweep(self, event: Event) -> None:
        run_id = self.sweep_run(event["sweep_key"])
        if run_id is None:
            tags = {"tass.kind": "sweep", "tass.sweep_key": event["sweep_key"], **event["tags"]}
            run_id = self._create(event["name"], event["at"], tags)
        self._runs[event["sweep_key"]] = run_id
        self._client.log_dict(run_id, event["plan"], "plan.json")
        self._client.log_batch(run_id, tags=[RunTag(k, v) for k, v in event["tags"].items()])
        self._client.update_run(run_id, status="RUNNING")

    def _close_sweep(self, event: Event) -> None:
        run_id = self._sweep_run(event["sweep_key"])
        self._client.set_tag(run_id, "tass.status", event["status"])
        if event.get("startup"):
            self._client.set_tag(run_id, "tass.startup_seconds", f"{event['startup']:.3f}")
        status = {"finished": "FINISHED", "stopped": "KILLED"}.get(event["status"], "FAILED")
        self._client.set_terminated(run_id, status, _ms(event["at"]))

    def _open_trial(self, event: Event) -> None:
        key = event["key"]
        found = self._search(f"tags.`tass.trial_key` = '{key}'", limit=1)
        if found:
            run_id = found[0].info.run_id
            points = self._client.get_metric_history(run_id, "val/all")
            self._points[key] = {point.step: point.timestamp for point in points}
            if found[0].data.tags.get("tass.state") != "finished":
                self._client.update_run(run_id, status="RUNNING")
        else:
            parent = self._sweep_run(event["sweep_key"])
            tags = {**event["tags"], "tass.state": "running", "mlflow.parentRunId": parent}
            run_id = self._create(event["name"], event["at"], tags)
            self._points[key] = {}
        self._runs[key] = run_id
        params = [Param(name, str(value)) for name, value in event["params"].items()]
        self._client.log_batch(run_id, params=params)

    def _log_epochs(self, event: Event) -> None:
        key, known = event["key"], self._known(event["key"])
        metrics: list[Metric] = []
        for epoch in event["epochs"]:
            at = _ms(epoch["at"])
            if known.setdefault(epoch["epoch"], at) == at:
                metrics += [
                    Metric(name, value, at, epoch["epoch"])
                    for name, value in epoch["metrics"].items()
                    if name != "questions_per_s"
                ]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._runs[key], metrics=metrics[start : start + BATCH])

    def _close_trial(self, event: Event, fetch: Callable[[str], Path | None]) -> None:
        run_id, at = self._trial_run(event["key"]), _ms(event["at"])
        run = self._client.get_run(run_id)
        if run.data.tags.get("tass.state") == "finished" and run.info.status == "FINISHED":
            return
        tags = {"tass.state": event["status"], "tass.reason": event["reason"] or ""}
        if event["status"] == "finished":
            final = {k: v for k, v in event["metrics"].items() if k.startswith(_FINAL)}
            final["best_val"] = event["metrics"]["val/all"]
            points = [Metric(k, v, at, event["best_epoch"]) for k, v in final.items()]
            self._client.log_batch(run_id, metrics=points)
            self._log_predictions(run_id, event["predictions"], fetch)
        if event["weights"]:
            tags["tass.checkpoint"] = event["checkpoint"]
        if event.get("seconds_per_epoch"):
            tags["tass.seconds_per_epoch"] = f"{event['seconds_per_epoch']:.6f}"
        if event.get("fused"):
            tags["tass.fused"] = str(event["fused"])
        self._client.log_batch(run_id, tags=[RunTag(name, text) for name, text in tags.items()])
        self._client.set_terminated(run_id, _STATUS[event["status"]], at)

    def _log_predictions(
        self, run_id: str, relative: str | None, fetch: Callable[[str], Path | None]
    ) -> None:
        path = fetch(relative) if relative else None
        if path is None:
            return
        with tempfile.TemporaryDirectory(prefix="tass-") as folder:
            named = Path(folder) / "test.parquet"
            shutil.copyfile(path, named)
            self._client.log_artifact(run_id, str(named), "predictions")

    def _sweep_run(self, sweep_key: str) -> str:
        if sweep_key not in self._runs:
            run_id = self.sweep_run(sweep_key)
            if run_id is None:
                raise OrphanError(f"{self.uri}: sweep {sweep_key} has no run in {self.name}")
            self._runs[sweep_key] = run_id
        return self._runs[sweep_key]

    def _trial_run(self, key: str) -> str:
        if key not in self._runs:
            self._known(key)
        return self._runs[key]

    def _known(self, key: str) -> dict[int, int]:
        """Return epoch -> timestamp of what a trial's run holds already."""
        if key not in self._points:
            found = self._search(f"tags.`tass.trial_key` = '{key}'", limit=1)
            if not found:
                raise OrphanError(f"{self.uri}: trial {key} has no run in {self.name}")
            self._runs[key] = found[0].info.run_id
            points = self._client.get_metric_history(self._runs[key], "val/all")
            self._points[key] = {point.step: point.timestamp for point in points}
        return self._points[key]

    def _create(self, name: str, at: float, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(
            self.experiment_id, start_time=_ms(at), tags=dict(tags), run_name=name
        )
        return str(run.info.run_id)

    def _create_experiment(self) -> str:
        database = sqlite_path(self.uri)
        place = None
        if database is not None:
            place = str(database.absolute().parent / "mlartifacts" / self.name)
        return str(self._client.create_experiment(self.name, artifact_location=place))

    def _search(self, condition: str, limit: int | None = None) -> list[Run]:
        if self.experiment_id is None:
            return []
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id], condition, max_results=limit or 1000, page_token=token
            )
            runs += page
            token = page.token
            if limit or not token:
                return runs


def datasets(uri: str) -> list[str]:
    """Return the names of the datasets that a tracking store has an experiment for.

    Raises:
        TrackingError: the store cannot be reached.
    """
    experiments = connect(uri).search_experiments(max_results=BATCH)
    names = [str(experiment.name) for experiment in experiments]
    return sorted(name.removeprefix("tass/") for name in names if name.startswith("tass/"))


def require_store(uri: str) -> None:
    """Refuse a SQLite file that is not there: reading must not make one.

    Raises:
        TrackingError: there is no database at ``uri``.
    """
    database = sqlite_path(uri)
    if database is not None and not database.is_file():
        raise TrackingError(
            f"tracking URI {uri}: no database at {database.absolute()}; run `tass-cli sweep "
            "ablations` here first, or name another store with --tracking-uri URI"
        )


def attach(uri: str, run_id: str, name: str, text: str) -> None:
    """Store a text as an artifact of a run, replacing an older one.

    Raises:
        TrackingError: the store cannot be reached.
    """
    try:
        connect(uri).log_text(run_id, text, name)
    except (MlflowException, OSError) as error:
        raise TrackingError(f"tracking URI {uri}: {first_line(error)}") from None


def attach_folder(uri: str, run_id: str, folder: Path, path: str) -> None:
    """Store a folder's files as artifacts of a run, under ``path``.

    Raises:
        TrackingError: the store cannot be reached.
    """
    try:
        connect(uri).log_artifacts(run_id, str(folder), path)
    except (MlflowException, OSError) as error:
        raise TrackingError(f"tracking URI {uri}: {first_line(error)}") from None


def connect(uri: str) -> MlflowClient:
    """Return a client whose store answers; a new SQLite file is set up here, by one process.

    Raises:
        TrackingError: the store does not answer.
    """
    database = sqlite_path(uri)
    # Setting up a new database is told step by step otherwise.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if database is None:
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
            return client
        database.absolute().parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_name(f".{database.name}.lock")):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        return client
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"tracking URI {uri}: {first_line(error)}; start the server, or name another store "
            "with --tracking-uri URI"
        ) from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _held(run: Run) -> Held:
    tags = run.data.tags
    return Held(
        key=tags.get("tass.trial_key", ""),
        run_id=run.info.run_id,
        state=_state(run),
        seed=int(tags.get("tass.seed", 0)),
        config_hash=tags.get("tass.config_hash", ""),
        variant=tags.get("tass.variant", ""),
        fingerprint=tags.get("tass.fingerprint", ""),
        sweep=tags.get("mlflow.parentRunId", ""),
        metrics=run.data.metrics,
        tags=tags,
        params=run.data.params,
    )


def _state(run: Run) -> str:
    """Return the trial's state; it is finished only when run and tag agree."""
    state = run.data.tags.get("tass.state", "running")
    if state == "finished" and run.info.status != "FINISHED":
        return "running"
    return str(state)


def _merge_epochs(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Gather neighbouring epochs of one trial, so that they travel in one call."""
    merged: list[dict[str, Any]] = []
    waiting: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["kind"] == "epoch":
            if event["key"] not in waiting:
                waiting[event["key"]] = {"kind": "epochs", "key": event["key"], "epochs": []}
                merged.append(waiting[event["key"]])
            waiting[event["key"]]["epochs"].append(event)
        else:
            waiting.pop(event.get("key", ""), None)
            merged.append(event)
    return merged


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
