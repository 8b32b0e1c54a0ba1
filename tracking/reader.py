"""MLflow in, plain frozen data out: all that anybody reads of sweeps and trials."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from search_spaces.document import Scalar
from tass_core.config import DEFAULT_SYSTEM, known_fields, parse_overrides
from tass_core.errors import TrackingError
from tracking import schema
from tracking.database import Database
from tracking.rows import Row, Rows, Wanted
from tracking.uris import first_line, require_store, resolve_uri, shown

if TYPE_CHECKING:
    from tass_core.evaluation.predictions import Predictions
    from tracking.server import Server

logger = logging.getLogger(__name__)

SELECTION = Wanted(metrics=(schema.BEST, schema.BEST_EPOCH))
"""What a sweep and a ranking ask: which trials there are, and how good."""
COSTS = Wanted(params=True, metrics=(schema.PARAMETERS,))
"""What an estimate of time asks."""
RESULTS = Wanted(metrics=("val/", *schema.FINAL, schema.BEST))
"""What tables ask: everything at the best epoch."""
EVERYTHING = Wanted(params=True, metrics=RESULTS.metrics)


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One child run: a variant trained with one seed."""

    run_id: str
    experiment_id: str
    key: str
    variant: str
    config_hash: str
    seed: int
    dataset: str
    fingerprint: str
    training_version: str
    state: schema.State
    reason: str | None
    metrics: Mapping[str, float]
    """Last value by metric key, accuracies in percent, of the metrics that were asked for."""
    params: Mapping[str, str]
    """The config by dotted field, where it was asked for."""
    checkpoint: str | None
    """Where the best epoch's weights are; None or empty when they were not kept."""
    seconds_per_epoch: float | None
    parent: str
    """Run id of the sweep that trained it."""
    started: int
    """Start, in milliseconds since 1970."""
    artifact_uri: str = field(repr=False)

    def config(self) -> dict[str, Scalar]:
        """Return the trial's whole config: dotted field -> value."""
        known = known_fields(self.params.get("system", DEFAULT_SYSTEM))
        logged = (f"{name}={text}" for name, text in self.params.items() if name in known)
        return parse_overrides(logged)


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One parent run and the plan it followed."""

    run_id: str
    experiment_id: str
    name: str
    command: str
    status: str
    """``running``, ``finished``, ``failed`` or ``stopped``, as its last driver left it."""
    dataset: str
    provenance: str
    fingerprint: str
    training_version: str
    started: int
    """Start, in milliseconds since 1970."""
    tags: Mapping[str, str] = field(repr=False)
    plan: Mapping[str, Any] = field(repr=False)
    """As ``search_spaces.plan.Plan.to_dict`` returned it; empty when it cannot be read."""
    damage: str | None = None
    """Why the plan cannot be read, or None."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every variant of the sweep is trained with."""
        return tuple(int(seed) for seed in self.plan.get("seeds", ()))

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the trials that the sweep wants."""
        return frozenset(self.plan.get("trials", ()))


class Reader:
    """Reads one tracking store, and never writes to it.

    Args:
        uri: the tracking URI; ``MLFLOW_TRACKING_URI`` or ``sqlite:///mlflow.db`` when None.

    Raises:
        TrackingError: the store is not there or does not answer; so does every method.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = resolve_uri(uri)
        require_store(self.uri)
        self.address = shown(self.uri)
        """The URI as it may be shown."""
        self._store: Rows = Database.known(self.uri) or self._server
        self._scratch = tempfile.TemporaryDirectory(prefix="tass-report-")

    def snapshot(self, dataset: str | None = None, wanted: Wanted = RESULTS) -> Snapshot:
        """Return the sweeps and trials on one dataset, or on all.

        Args:
            dataset: its name.
            wanted: what to read of each trial.
        """
        with self._reading():
            found = self._experiments(dataset)
            sweeps = [self._sweep(row) for row in self._store.runs(found, "sweep", Wanted())]
            trials = [_trial(row) for row in self._store.runs(found, "trial", wanted)]
        return Snapshot(self, tuple(sweeps), _by_key(trials))

    def held(self, dataset: str, wanted: Wanted = SELECTION) -> dict[str, TrialRun]:
        """Return the trials on a dataset by key; of several runs a finished one.

        Args:
            dataset: its name.
            wanted: what to read of each.
        """
        with self._reading():
            rows = self._store.runs(self._experiments(dataset), "trial", wanted)
        return {key: chosen(runs) for key, runs in _by_key(map(_trial, rows)).items()}

    def startup(self, dataset: str) -> float | None:
        """Return the seconds that the last sweep on a dataset took until it trained, or None."""
        with self._reading():
            sweeps = self._store.runs(self._experiments(dataset), "sweep", Wanted())
        told = (row.tags.get(schema.STARTUP) for row in sweeps)
        return next((float(seconds) for seconds in told if seconds), None)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (epoch, value) of a metric, by epoch."""
        with self._reading():
            return self._store.history(run_id, metric)

    def at_best(self, run: TrialRun, metric: str) -> float | None:
        """Return a metric at a finished trial's best epoch, or None where it was not measured.

        ``run`` was read with ``BEST``, ``BEST_EPOCH`` and the metrics that a trial has once.
        """
        if metric == schema.VALIDATION and schema.BEST in run.metrics:
            return run.metrics[schema.BEST]
        if not metric.startswith("val/"):
            return run.metrics.get(metric)
        best = run.metrics.get(schema.BEST_EPOCH)
        return None if best is None else dict(self.history(run.run_id, metric)).get(int(best))

    def predictions(self, run: TrialRun) -> Predictions | None:
        """Return a trial's test answers, by question id, or None when the run holds none."""
        # Here, not above: who reads no answers starts without NumPy and Arrow.
        from tass_core.evaluation.predictions import read_predictions

        with self._reading():
            path = self._artifact(run.run_id, run.artifact_uri, schema.PREDICTIONS)
            return None if path is None else read_predictions(Path(path))

    def _experiments(self, dataset: str | None) -> list[str]:
        """Return the ids of one dataset's experiment, or of all of ours."""
        names = self._store.experiments()
        if dataset is not None:
            return [names[name] for name in [schema.EXPERIMENT + dataset] if name in names]
        return [found for name, found in names.items() if name.startswith(schema.EXPERIMENT)]

    def _sweep(self, row: Row) -> SweepRun:
        tags = row.tags
        plan, damage = self._plan(row)
        return SweepRun(
            run_id=row.run_id,
            experiment_id=row.experiment_id,
            name=tags.get(schema.SWEEP, row.name or row.run_id),
            command=tags.get(schema.COMMAND, ""),
            status=tags.get(schema.STATUS, row.status.lower()),
            dataset=tags.get(schema.DATASET, ""),
            provenance=tags.get(schema.PROVENANCE, ""),
            fingerprint=tags.get(schema.FINGERPRINT, ""),
            training_version=tags.get(schema.TRAINING_VERSION, ""),
            started=row.started,
            tags=tags,
            plan=plan,
            damage=damage,
        )

    def _plan(self, row: Row) -> tuple[dict[str, Any], str | None]:
        """Return a sweep's plan, and what is wrong with it if anything is."""
        where = f"sweep run {row.run_id} in {self.address}"
        path = self._artifact(row.run_id, row.artifact_uri, schema.PLAN)
        if path is None:
            return {}, (
                f"{where} has no artifact {schema.PLAN} (looked under {row.artifact_uri}): "
                "bring the artifacts along with the database, or delete the run"
            )
        try:
            return dict(json.loads(path.read_text())), None
        except (ValueError, TypeError) as error:
            return {}, f"{where}: {schema.PLAN} is damaged: {error}"

    def _artifact(self, run_id: str, artifact_uri: str, name: str) -> Path | None:
        """Return an artifact's path on this machine, or None when the run has none."""
        local = _local_path(artifact_uri)
        if local is not None:
            return local / name if (local / name).is_file() else None
        folder = Path(tempfile.mkdtemp(dir=self._scratch.name))
        with self._reading(self._server):
            return self._server.artifact(run_id, name, folder)

    @cached_property
    def _server(self) -> Server:
        # Here, not above: loading MLflow takes seconds.
        from tracking.server import Server

        return Server(self.uri)

    @contextlib.contextmanager
    def _reading(self, store: Rows | None = None) -> Iterator[None]:
        faults: tuple[type[Exception], ...] = (*(store or self._store).faults, OSError)
        try:
            yield
        except faults as error:
            raise TrackingError(
                f"tracking URI {self.address}: {first_line(error)}; try again when it answers"
            ) from error


class Snapshot:
    """What a tracking store held at one moment.

    Predictions are read when they are first asked for, and kept.
    """

    def __init__(
        self,
        reader: Reader,
        sweeps: tuple[SweepRun, ...],
        trials: Mapping[str, tuple[TrialRun, ...]],
    ) -> None:
        self._reader = reader
        self.address = reader.address
        """The tracking URI as it may be shown."""
        self.sweeps = sweeps
        """Every sweep, the most recent first."""
        self.trials = trials
        """Trial key -> its runs, the most recent first."""
        self._predictions: dict[str, Predictions | None] = {}
        self._asked: dict[str, Predictions] = {}
        """Fingerprint -> the first predictions on a dataset, whose questions the others share."""

    def sweep(self, name: str) -> SweepRun:
        """Return one sweep by its run id, by a unique beginning of it, or by its name.

        Of several sweeps with the same name the most recent is meant.

        Raises:
            TrackingError: no sweep or several are meant, or its plan cannot be read.
        """
        named = [sweep for sweep in self.sweeps if sweep.name == name][:1]
        found = [sweep for sweep in self.sweeps if sweep.run_id.startswith(name)] or named
        if len(found) != 1:
            known = ", ".join(f"{sweep.run_id[:8]} ({sweep.name})" for sweep in self.sweeps[:8])
            what = "is no sweep" if not found else f"means {len(found)} sweeps"
            raise TrackingError(f"'{name}' {what} in {self.address}; known: {known or 'none'}")
        if found[0].damage:
            raise TrackingError(found[0].damage)
        return found[0]

    def readable(self) -> list[SweepRun]:
        """Return the sweeps whose plans can be read; the others are told to the log."""
        for sweep in self.sweeps:
            if sweep.damage:
                logger.warning("%s; the sweep is left out", sweep.damage)
        return [sweep for sweep in self.sweeps if not sweep.damage]

    def predictions(self, run: TrialRun) -> Predictions | None:
        """Return a trial's test answers, or None when the run holds none.

        A file of an older version does not name the videos; they come from the latest trial on
        the same dataset, when that one's file does.

        Raises:
            TrackingError: the store does not answer.
            DataError: the file is damaged.
        """
        found = self._read(run)
        if found is None or found.video is not None:
            return found
        latest = self._latest(run.fingerprint)
        asked = None if latest is None else self._read(latest)
        return found if asked is None else found.with_videos(asked)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (epoch, value) of a metric, by epoch."""
        return self._reader.history(run_id, metric)

    def at_best(self, run: TrialRun, metric: str) -> float | None:
        """Return a metric at a finished trial's best epoch, or None where it was not measured."""
        return self._reader.at_best(run, metric)

    def _read(self, run: TrialRun) -> Predictions | None:
        if run.run_id not in self._predictions:
            found = self._reader.predictions(run)
            if found is not None:
                found = found.sharing(self._asked.setdefault(run.fingerprint, found))
            self._predictions[run.run_id] = found
        return self._predictions[run.run_id]

    def _latest(self, fingerprint: str) -> TrialRun | None:
        """Return the finished trial on a dataset that was started last: it names the videos."""
        finished = (
            run
            for runs in self.trials.values()
            for run in runs
            if run.fingerprint == fingerprint and run.state == "finished"
        )
        return max(finished, key=lambda run: run.started, default=None)


def chosen(runs: Sequence[TrialRun]) -> TrialRun:
    """Return the run of a trial that counts: the most recent finished one, or else the last."""
    return next((run for run in runs if run.state == "finished"), runs[0])


def _by_key(trials: Iterable[TrialRun]) -> dict[str, tuple[TrialRun, ...]]:
    found: dict[str, list[TrialRun]] = {}
    for run in trials:
        found.setdefault(run.key, []).append(run)
    return {key: tuple(runs) for key, runs in found.items()}


def _trial(row: Row) -> TrialRun:
    tags, pace = row.tags, row.tags.get(schema.PACE)
    return TrialRun(
        run_id=row.run_id,
        experiment_id=row.experiment_id,
        key=tags.get(schema.TRIAL_KEY, ""),
        variant=tags.get(schema.VARIANT, ""),
        config_hash=tags.get(schema.CONFIG_HASH, ""),
        seed=int(tags.get(schema.SEED, -1)),
        dataset=tags.get(schema.DATASET, ""),
        fingerprint=tags.get(schema.FINGERPRINT, ""),
        training_version=tags.get(schema.TRAINING_VERSION, ""),
        state=schema.state(row.status, tags.get(schema.STATE)),
        reason=tags.get(schema.REASON),
        metrics=row.metrics,
        params=row.params,
        checkpoint=tags.get(schema.CHECKPOINT),
        seconds_per_epoch=float(pace) if pace else None,
        parent=tags.get(schema.PARENT, ""),
        started=row.started,
        artifact_uri=row.artifact_uri,
    )


def _local_path(artifact_uri: str) -> Path | None:
    parsed = urlparse(artifact_uri)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(artifact_uri) if parsed.scheme == "" else None
