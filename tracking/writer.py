"""The one class that writes to MLflow: events in, runs out.

Every write is idempotent: runs are found by trial key or sweep key before one is created, and
a metric point repeats with the timestamp of its event, which MLflow takes as the same point.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException
from requests import RequestException

from tass_core.errors import DataError, TrackingError
from tass_core.evaluation.predictions import read_predictions
from tracking import pages, schema
from tracking.connect import PAGE, connect, cure, ping, run_pages
from tracking.events import (
    EpochDone,
    Event,
    Origin,
    PlanGrew,
    SweepClosed,
    SweepOpened,
    TrialEnded,
    TrialOpened,
    TrialStopped,
    WeightsDropped,
)
from tracking.uris import first_line, shown, sqlite_path

_FINAL_CODES = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}

CHECKPOINT_FILES = ("config.json", "metrics.json", "model.safetensors")
"""What a checkpoint's folder has to hold; see ``tass_core.checkpoints``."""


class Files(Protocol):
    """The files that events name, by their storage and their path below it."""

    def fetch(self, storage: str, relative: str, target: Path) -> None:
        """Copy a file to a path of this machine; FileNotFoundError when there is none."""

    def sizes(self, storage: str, relative: str) -> Mapping[str, int]:
        """Return path -> bytes of the files in a folder; of none when it is not there."""


class AwayError(TrackingError):
    """The store, or something on the way to it, does not take an event at the moment."""


class MissingError(AwayError):
    """A file that an event names is not in its storage, or not yet."""


class RefusedError(TrackingError):
    """The store will never take an event as it is."""


class OrphanError(RefusedError):
    """An event belongs to a run that the store does not have."""


class Writer:
    """Writes events to one tracking store.

    Args:
        uri: the tracking URI.
        files: finds the files that events name.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(self, uri: str, files: Files) -> None:
        self.uri, self._files = uri, files
        self._client = connect(uri)
        self._experiments: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        self._points: dict[str, dict[int, int]] = {}
        """Trial key -> epoch -> timestamp of what its run holds already."""

    def apply(self, origin: Origin, events: Sequence[Event]) -> None:
        """Write events in their order; repeating the same ones changes nothing.

        Raises:
            AwayError: everything may be tried again; MissingError says that a file is missing.
            RefusedError: one of the events will never be taken; the later ones are not written.
        """
        with self._answers():
            for event in _gather(events):
                if isinstance(event, list):
                    self._log_epochs(origin, event)
                else:
                    self._write(origin, event)

    def open(self, dataset: str) -> str:
        """Return the id of a dataset's experiment, which is made when it is not there.

        Something is written at once: a store that only lets itself be read is known at the door.

        Raises:
            AwayError: the store does not answer, or nothing can be written there.
            RefusedError: somebody has deleted the experiment.
        """
        if dataset not in self._experiments:
            try:
                with self._answers():
                    experiment = self._open(schema.EXPERIMENT + dataset)
                    self._client.set_experiment_tag(experiment, schema.DATASET, dataset)
                    if schema.NOTE not in self._client.get_experiment(experiment).tags:
                        note = pages.experiment_note(dataset)
                        self._client.set_experiment_tag(experiment, schema.NOTE, note)
            except AwayError as error:
                raise AwayError(f"{error}; {cure(error.__cause__)}") from None
            self._experiments[dataset] = experiment
        return self._experiments[dataset]

    def ping(self) -> None:
        """Raise AwayError unless the store answers at all."""
        with self._answers():
            ping(self._client)

    def sweep_run(self, origin: Origin, sweep: str) -> str | None:
        """Return the run id of a sweep by its key, or None when there is none yet."""
        with self._answers():
            return self._runs.get(sweep) or self._find(origin, schema.SWEEP_KEY, sweep)

    def _write(self, origin: Origin, event: Event) -> None:
        match event:
            case SweepOpened():
                self._open_sweep(origin, event)
            case PlanGrew():
                run_id = self._run(origin, schema.SWEEP_KEY, event.sweep)
                self._client.log_dict(run_id, dict(event.plan), schema.PLAN)
                self._save_view(origin, event.plan, event.at)
                self._name_rows(origin, event.plan)
            case SweepClosed():
                self._close_sweep(origin, event)
            case TrialOpened():
                self._open_trial(origin, event)
            case TrialEnded():
                self._close_trial(origin, event)
            case TrialStopped():
                self._stop_trial(origin, event)
            case WeightsDropped():
                run_id = self._run(origin, schema.TRIAL_KEY, event.key)
                self._client.set_tag(run_id, schema.CHECKPOINT, "")

    def _open_sweep(self, origin: Origin, event: SweepOpened) -> None:
        run_id = self._find(origin, schema.SWEEP_KEY, event.sweep)
        if run_id is None:
            purpose = event.plan.get("document", {}).get("purpose", "")
            tags = {
                schema.KIND: "sweep",
                schema.SWEEP_KEY: event.sweep,
                schema.NOTE: pages.sweep_lead(self.open(origin.dataset), event.name, purpose),
                **event.tags,
            }
            run_id = self._create(origin, event.name, event.at, tags)
        splits = event.plan.get("dataset", {}).get("splits", {})
        self._log_dataset(run_id, origin, event.tags, splits)
        self._save_view(origin, event.plan, event.at)
        self._runs[event.sweep] = run_id
        self._client.log_dict(run_id, dict(event.plan), schema.PLAN)
        if event.plan.get("text"):
            self._client.log_text(run_id, event.plan["text"], schema.DOCUMENT)
        self._set_tags(run_id, event.tags)
        self._client.update_run(run_id, status="RUNNING")

    def _name_rows(self, origin: Origin, plan: Mapping[str, Any]) -> None:
        """Tag each trial of a plan with the rows that it fills, whichever sweep trained it."""
        rows: dict[str, list[str]] = {}
        for table in plan.get("tables", ()):
            for row in table["rows"]:
                for key in row["trials"].values():
                    rows.setdefault(key, []).append(f"{table['key']}: {row['name']}")
        if not rows:
            return
        experiment = self.open(origin.dataset)
        condition = f"tags.`{schema.KIND}` = 'trial'"
        for run in run_pages(self._client, [experiment], condition):
            key = run.data.tags.get(schema.TRIAL_KEY, "")
            if key in plan["trials"]:
                filled = {f"{schema.SWEEP}.{plan['sweep']}": pages.fills(rows.get(key, ()))}
                wanted = filled | pages.trial_tags(experiment, run.data.tags | filled)
                new = {name: it for name, it in wanted.items() if run.data.tags.get(name) != it}
                if new:
                    self._set_tags(run.info.run_id, new)

    def _save_view(self, origin: Origin, plan: Mapping[str, Any], at: float) -> None:
        """Save a view of a sweep's trials; MLflow's pages save what a person changes elsewhere."""
        experiment, tag = self.open(origin.dataset), pages.view_tag(plan["sweep"])
        self._client.set_experiment_tag(experiment, tag, pages.view(plan, _ms(at)))

    def _log_dataset(
        self,
        run_id: str,
        origin: Origin,
        tags: Mapping[str, str],
        splits: Mapping[str, int] | None = None,
    ) -> None:
        """Log the dataset as MLflow's pages show it; its content's hash is the digest.

        Args:
            run_id: a run that uses it.
            origin: whose name and hash it has.
            tags: the run's.
            splits: its questions by split; MLflow keeps what a dataset was first logged with.
        """
        provenance = tags.get(schema.PROVENANCE, "")
        profile = {f"{split}_questions": count for split, count in (splits or {}).items()}
        dataset = Dataset(
            name=origin.dataset,
            digest=origin.fingerprint,
            source_type="tass",
            source=json.dumps({"provenance": provenance}),
            profile=json.dumps({"provenance": provenance, **profile}) if profile else None,
        )
        context = [InputTag(schema.DATASET_CONTEXT, "training")]
        self._client.log_inputs(run_id, [DatasetInput(dataset, context)])

    def _close_sweep(self, origin: Origin, event: SweepClosed) -> None:
        run_id = self._run(origin, schema.SWEEP_KEY, event.sweep)
        tags: dict[str, str] = {schema.STATUS: event.status}
        if event.startup:
            tags[schema.STARTUP] = f"{event.startup:.3f}"
        self._set_tags(run_id, tags)
        self._client.set_terminated(run_id, schema.SWEEP_ENDS[event.status], _ms(event.at))

    def _open_trial(self, origin: Origin, event: TrialOpened) -> None:
        run_id = self._find(origin, schema.TRIAL_KEY, event.key)
        if run_id is None:
            tags = {
                schema.KIND: "trial",
                schema.TRIAL_KEY: event.key,
                schema.STATE: "running",
                schema.PARENT: self._run(origin, schema.SWEEP_KEY, event.sweep),
                **event.tags,
            }
            tags |= pages.trial_tags(self.open(origin.dataset), tags)
            run_id = self._create(origin, event.name, event.at, tags)
            self._points[run_id] = {}
        else:
            self._points.pop(run_id, None)
            if not self._is_finished(run_id):
                self._client.set_tag(run_id, schema.STATE, "running")
                self._client.update_run(run_id, status="RUNNING")
        self._log_dataset(run_id, origin, event.tags)
        self._runs[event.key] = run_id
        params = [Param(name, str(value)) for name, value in event.params.items()]
        self._client.log_batch(run_id, params=params)

    def _log_epochs(self, origin: Origin, events: Sequence[EpochDone]) -> None:
        run_id = self._run(origin, schema.TRIAL_KEY, events[0].key)
        known = self._known(run_id)
        metrics: list[Metric] = []
        for event in events:
            at = _ms(event.at)
            if known.setdefault(event.epoch, at) == at:
                metrics += [
                    Metric(name, value, at, event.epoch)
                    for name, value in event.metrics.items()
                    if name != schema.SPEED
                ]
        for start in range(0, len(metrics), PAGE):
            self._client.log_batch(run_id, metrics=metrics[start : start + PAGE])

    def _close_trial(self, origin: Origin, event: TrialEnded) -> None:
        """Write a trial's end; the status comes last, once everything else can be read back."""
        run_id = self._run(origin, schema.TRIAL_KEY, event.key)
        if self._is_finished(run_id):
            return
        finished, at = event.status == "finished", _ms(event.at)
        tags: dict[str, str] = {schema.STATE: event.status, schema.REASON: event.reason or ""}
        if finished:
            final = {k: v for k, v in event.metrics.items() if k.startswith(schema.FINAL)}
            if schema.VALIDATION in event.metrics:
                final[schema.BEST] = event.metrics[schema.VALIDATION]
            # At step 0 MLflow draws bars, and not lines through the seeds' best epochs.
            points = [Metric(name, value, at, 0) for name, value in final.items()]
            self._check_weights(origin, event)
            self._client.log_batch(run_id, metrics=points)
            self._log_predictions(run_id, origin, event)
        if event.weights:
            tags[schema.CHECKPOINT] = f"{origin.storage}/{event.weights}" if finished else ""
        if event.seconds_per_epoch:
            tags[schema.PACE] = f"{event.seconds_per_epoch:.6f}"
        if event.fused:
            tags[schema.FUSED] = str(event.fused)
        if event.environment:
            tags[schema.ENVIRONMENT] = event.environment
        self._set_tags(run_id, tags)
        self._client.set_terminated(run_id, schema.ENDS[event.status], at)
        self._points.pop(run_id, None)

    def _stop_trial(self, origin: Origin, event: TrialStopped) -> None:
        """Leave no run that MLflow shows as running when nobody trains it."""
        run_id = self._run(origin, schema.TRIAL_KEY, event.key)
        if not self._is_finished(run_id):
            self._client.set_tag(run_id, schema.STATE, schema.STOPPED)
            self._client.set_terminated(run_id, "KILLED", _ms(event.at))

    def _check_weights(self, origin: Origin, event: TrialEnded) -> None:
        """Refuse a checkpoint that is not whole, or another trial's."""
        if event.weights is None:
            return
        sizes = self._files.sizes(origin.storage, event.weights)
        missing = [name for name in CHECKPOINT_FILES if not sizes.get(name)]
        if missing:
            raise MissingError(
                f"trial {event.key}: its checkpoint {origin.storage}/{event.weights} lacks "
                f"{', '.join(missing)}"
            )
        with tempfile.TemporaryDirectory(prefix="tass-") as scratch:
            config = Path(scratch) / "config.json"
            self._fetch(origin, event, f"{event.weights}/{config.name}", config)
            owner = json.loads(config.read_text())["trial_key"]
        if owner != event.key:
            raise RefusedError(f"trial {event.key}: its checkpoint is that of trial {owner}")

    def _log_predictions(self, run_id: str, origin: Origin, event: TrialEnded) -> None:
        if event.predictions is None:
            raise RefusedError(f"trial {event.key} is said to be finished, but without predictions")
        folder, _, name = schema.PREDICTIONS.rpartition("/")
        with tempfile.TemporaryDirectory(prefix="tass-") as scratch:
            named = Path(scratch) / name
            self._fetch(origin, event, event.predictions, named)
            self._check_predictions(origin, event, named)
            self._client.log_artifact(run_id, str(named), folder)
            if not self._comes_back(run_id, named):
                raise AwayError(f"trial {event.key}: its predictions cannot be read back")

    def _check_predictions(self, origin: Origin, event: TrialEnded, path: Path) -> None:
        try:
            found = read_predictions(path)
        except DataError as error:
            raise MissingError(f"trial {event.key}: {error}") from None
        if found.video is None:
            raise RefusedError(
                f"trial {event.key}: its predictions name no videos, since an older version of "
                f"tass-lab made them; remove {Path(event.predictions or path).parents[2]} from "
                f"{origin.storage} and run the sweep again, which trains its trials anew"
            )

    def _fetch(self, origin: Origin, event: TrialEnded, relative: str, target: Path) -> None:
        try:
            self._files.fetch(origin.storage, relative, target)
        except FileNotFoundError as error:
            raise MissingError(
                f"trial {event.key}: {Path(relative).name} is not in the storage ({error})"
            ) from None

    def _comes_back(self, run_id: str, predictions: Path) -> bool:
        try:
            folder = tempfile.mkdtemp(dir=predictions.parent)
            copy = self._client.download_artifacts(run_id, schema.PREDICTIONS, folder)
        except MlflowException:
            return False
        return filecmp.cmp(predictions, copy, shallow=False)

    def _run(self, origin: Origin, tag: str, key: str) -> str:
        """Return the id of a run that must be there."""
        if key not in self._runs:
            run_id = self._find(origin, tag, key)
            if run_id is None:
                kind = "sweep" if tag == schema.SWEEP_KEY else "trial"
                raise OrphanError(f"{kind} {key} has no run in {schema.EXPERIMENT}{origin.dataset}")
            self._runs[key] = run_id
        return self._runs[key]

    def _find(self, origin: Origin, tag: str, key: str) -> str | None:
        found = self._client.search_runs(
            [self.open(origin.dataset)], f"tags.`{tag}` = '{key}'", max_results=1
        )
        return str(found[0].info.run_id) if found else None

    def _is_finished(self, run_id: str) -> bool:
        run = self._client.get_run(run_id)
        return schema.state(run.info.status, run.data.tags.get(schema.STATE)) == "finished"

    def _known(self, run_id: str) -> dict[int, int]:
        """Return epoch -> timestamp of what a trial's run holds already."""
        if run_id not in self._points:
            points = self._client.get_metric_history(run_id, schema.VALIDATION)
            self._points[run_id] = {point.step: point.timestamp for point in points}
        return self._points[run_id]

    def _create(self, origin: Origin, name: str, at: float, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(
            self.open(origin.dataset), start_time=_ms(at), tags=dict(tags), run_name=name
        )
        return str(run.info.run_id)

    def _set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._client.log_batch(run_id, tags=[RunTag(name, text) for name, text in tags.items()])

    def _open(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            database = sqlite_path(self.uri)
            place = database and str(database.parent / "mlartifacts" / name)
            return str(self._client.create_experiment(name, artifact_location=place))
        if found.lifecycle_stage != "active":
            raise RefusedError(
                f"tracking URI {shown(self.uri)}: experiment '{name}' is deleted; restore it with "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or remove "
                "it for good with `mlflow gc`"
            )
        return str(found.experiment_id)

    @contextlib.contextmanager
    def _answers(self) -> Iterator[None]:
        """Tell a refusal from a store that is away."""
        try:
            yield
        except (MlflowException, RequestException, OSError) as error:
            kind = RefusedError if self._is_final(error) else AwayError
            raise kind(f"tracking URI {shown(self.uri)}: {first_line(error)}") from error

    def _is_final(self, error: Exception) -> bool:
        """Whether the store itself would refuse the same again; a proxy's answer says nothing."""
        if self.uri.startswith("http") and not (
            isinstance(error, RestException) and "error_code" in error.json
        ):
            return False
        return getattr(error, "error_code", "") in _FINAL_CODES


def _gather(events: Sequence[Event]) -> list[Event | list[EpochDone]]:
    """Gather neighbouring epochs of one trial, so that they travel in one call."""
    gathered: list[Event | list[EpochDone]] = []
    waiting: dict[str, list[EpochDone]] = {}
    for event in events:
        if isinstance(event, EpochDone):
            if event.key not in waiting:
                waiting[event.key] = []
                gathered.append(waiting[event.key])
            waiting[event.key].append(event)
        else:
            if isinstance(event, TrialOpened | TrialEnded | TrialStopped | WeightsDropped):
                waiting.pop(event.key, None)
            gathered.append(event)
    return gathered


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
