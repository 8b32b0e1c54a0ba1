"""MLflow in, plain frozen data out: the only module of the reports that talks to MLflow."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlparse, urlsplit, urlunsplit

import mlflow.artifacts
import numpy as np
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from tass_core.errors import ReportError

logger = logging.getLogger(__name__)

DEFAULT_URI = "sqlite:///mlflow.db"
"""MLflow's own default: a database in the working directory."""
EXPERIMENT_PREFIX = "tass/"
PREDICTIONS = "predictions/test.parquet"
_PAGE = 1000

State = Literal["finished", "failed", "pruned", "running"]
_STATES: Mapping[str, State] = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "pruned",
    "RUNNING": "running",
    "SCHEDULED": "running",
}


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One child run: a variant trained with one seed."""

    run_id: str
    experiment_id: str
    key: str
    variant: str
    config_hash: str
    seed: int
    fingerprint: str
    training_version: str
    state: State
    reason: str | None
    metrics: Mapping[str, float]
    """Last value by metric key, accuracies in percent."""
    params: Mapping[str, str]
    checkpoint: str | None
    parent: str
    """Run id of the sweep that trained it."""
    started: int
    """Start, in milliseconds since 1970."""
    artifact_uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One parent run and the plan it followed."""

    run_id: str
    experiment_id: str
    name: str
    command: str
    status: str
    dataset: str
    provenance: str
    fingerprint: str
    training_version: str
    started: int
    tags: Mapping[str, str] = field(repr=False)
    plan: Mapping[str, Any] = field(repr=False)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every variant of the sweep is trained with."""
        return tuple(int(seed) for seed in self.plan.get("seeds", ()))


@dataclass(frozen=True, slots=True)
class Predictions:
    """Test answers of one trial, by ascending question id."""

    question_id: NDArray[np.int64]
    type: NDArray[np.str_]
    correct: NDArray[np.bool_]

    def counts(self) -> dict[str, int]:
        """Return question type -> questions."""
        names, counts = np.unique(self.type, return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def resolve_uri(tracking_uri: str | None) -> str:
    """Return the tracking URI to read, refusing a SQLite file that does not exist.

    Opening a missing database would create it; a report must not.

    Raises:
        ReportError: there is no database at the URI.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if uri.startswith("sqlite:///") and not Path(_sqlite_path(uri)).is_file():
        raise ReportError(
            f"tracking URI {uri}: no database at {Path(_sqlite_path(uri)).resolve()}; run "
            "`tass-cli sweep ablations` here first, or name another with --tracking-uri URI or "
            "MLFLOW_TRACKING_URI"
        )
    return uri


def without_password(uri: str) -> str:
    """Return a URI that may be shown: user and password are left out."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Tracking:
    """Read-only view of the sweeps and trials in one tracking store."""

    def __init__(self, tracking_uri: str | None = None) -> None:
        self.uri = resolve_uri(tracking_uri)
        self.address = without_password(self.uri)
        self._scratch = tempfile.TemporaryDirectory(prefix="tass-report-")
        try:
            self._client = MlflowClient(tracking_uri=self.uri)
            self._experiments = {
                experiment.experiment_id: experiment.name
                for experiment in self._client.search_experiments(max_results=_PAGE)
                if experiment.name.startswith(EXPERIMENT_PREFIX)
            }
        except (MlflowException, OSError) as error:
            raise ReportError(f"tracking URI {self.address}: {_first_line(error)}") from None

    def sweeps(self) -> list[SweepRun]:
        """Return every sweep that has a readable plan, the most recent first."""
        runs = self._search(list(self._experiments), "tags.`tass.kind` = 'sweep'")
        runs.sort(key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)
        return [sweep for run in runs if (sweep := self._readable(run)) is not None]

    def sweep(self, run_id: str) -> SweepRun:
        """Return one sweep by its run id, by a unique beginning of it, or by its name.

        Of several sweeps with the same name the most recent is meant.

        Raises:
            ReportError: no sweep or several are meant, or its plan cannot be read.
        """
        runs = self._search(list(self._experiments), "tags.`tass.kind` = 'sweep'")
        runs.sort(key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)
        named = [run for run in runs if run.data.tags.get("tass.sweep") == run_id][:1]
        found = [run for run in runs if run.info.run_id.startswith(run_id)] or named
        if len(found) != 1:
            known = ", ".join(f"{run.info.run_id[:8]} ({run.info.run_name})" for run in runs[:8])
            what = "is no sweep" if not found else f"means {len(found)} sweeps"
            raise ReportError(
                f"--sweep {run_id} {what} in {self.address}; known: {known or 'none'}"
            )
        return self._sweep(found[0])

    def trials(self, experiment_id: str) -> list[TrialRun]:
        """Return every trial run of an experiment, the most recent first."""
        runs = self._search([experiment_id], "tags.`tass.kind` = 'trial'")
        runs.sort(key=lambda run: (run.info.start_time, run.info.run_id), reverse=True)
        return [_trial(run) for run in runs]

    def predictions(self, run: TrialRun) -> Predictions | None:
        """Return a trial's test answers, or None when the run holds none."""
        path = self._artifact(run.run_id, run.artifact_uri, PREDICTIONS)
        if path is None:
            return None
        table = pq.read_table(path, columns=["question_id", "type", "correct"])
        ids = table["question_id"].to_numpy().astype(np.int64)
        order = np.argsort(ids, kind="stable")
        return Predictions(
            question_id=ids[order],
            type=np.asarray(table["type"].to_pylist(), dtype=np.str_)[order],
            correct=np.asarray(table["correct"].to_pylist(), dtype=np.bool_)[order],
        )

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (epoch, value) of a metric, by epoch."""
        points = self._client.get_metric_history(run_id, metric)
        return sorted({point.step: point.value for point in points}.items())

    def log_artifacts(self, run_id: str, folder: Path, path: str) -> None:
        """Store a folder's files with a run, under ``path``."""
        try:
            self._client.log_artifacts(run_id, str(folder), path)
        except (MlflowException, OSError) as error:
            raise ReportError(f"run {run_id}: the report cannot be stored: {error}") from None

    def _search(self, experiments: Sequence[str], condition: str) -> list[Run]:
        runs: list[Run] = []
        token: str | None = None
        while experiments:
            page = self._client.search_runs(
                list(experiments), condition, max_results=_PAGE, page_token=token
            )
            runs.extend(page)
            token = page.token
            if not token:
                break
        return runs

    def _readable(self, run: Run) -> SweepRun | None:
        try:
            return self._sweep(run)
        except ReportError as error:
            logger.warning("%s; the sweep is left out", error)
            return None

    def _sweep(self, run: Run) -> SweepRun:
        tags = run.data.tags
        path = self._artifact(run.info.run_id, run.info.artifact_uri, "plan.json")
        if path is None:
            raise ReportError(
                f"sweep run {run.info.run_id} in {self.address} has no artifact plan.json (looked "
                f"under {run.info.artifact_uri}): bring the artifacts along with the database, or "
                "delete the run"
            )
        try:
            plan = json.loads(path.read_text())
        except ValueError as error:
            raise ReportError(f"sweep run {run.info.run_id}: plan.json: {error}") from None
        return SweepRun(
            run_id=run.info.run_id,
            experiment_id=run.info.experiment_id,
            name=tags.get("tass.sweep", run.info.run_name or run.info.run_id),
            command=tags.get("tass.command", ""),
            status=tags.get("tass.status", run.info.status.lower()),
            dataset=tags.get("tass.dataset", ""),
            provenance=tags.get("tass.provenance", ""),
            fingerprint=tags.get("tass.fingerprint", ""),
            training_version=tags.get("tass.training_version", ""),
            started=run.info.start_time,
            tags=dict(tags),
            plan=plan,
        )

    def _artifact(self, run_id: str, artifact_uri: str, name: str) -> Path | None:
        """Return an artifact's path on this machine, or None when the run has none."""
        local = _local_path(artifact_uri)
        if local is not None:
            return local / name if (local / name).is_file() else None
        folder = tempfile.mkdtemp(dir=self._scratch.name)
        try:
            return Path(
                mlflow.artifacts.download_artifacts(
                    run_id=run_id, artifact_path=name, dst_path=folder, tracking_uri=self.uri
                )
            )
        except (MlflowException, OSError):
            return None


def _trial(run: Run) -> TrialRun:
    tags = run.data.tags
    return TrialRun(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        key=tags.get("tass.trial_key", ""),
        variant=tags.get("tass.variant", ""),
        config_hash=tags.get("tass.config_hash", ""),
        seed=int(tags.get("tass.seed", run.data.params.get("seed", -1))),
        fingerprint=tags.get("tass.fingerprint", ""),
        training_version=tags.get("tass.training_version", ""),
        state=_state(run.info.status, tags.get("tass.state")),
        reason=tags.get("tass.reason"),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        checkpoint=tags.get("tass.checkpoint"),
        parent=tags.get("mlflow.parentRunId", ""),
        started=run.info.start_time,
        artifact_uri=run.info.artifact_uri,
    )


def _state(status: str, tag: str | None) -> State:
    """Return the worse of the run's status and its tag: only both together mean finished."""
    state = _STATES.get(status, "failed")
    if state == "finished" and tag in ("failed", "pruned", "running"):
        return _STATES[{"failed": "FAILED", "pruned": "KILLED", "running": "RUNNING"}[tag]]
    return state


def _sqlite_path(uri: str) -> str:
    return unquote(uri.removeprefix("sqlite:///").split("?")[0])


def _local_path(artifact_uri: str) -> Path | None:
    parsed = urlparse(artifact_uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(artifact_uri) if parsed.scheme == "" else None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
