"""Answers that no sweep's training gave, written to MLflow as runs of a sweep of their own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.driver.files import Files
from tass_core import TRAINING_VERSION
from tass_core.data.folder.dataset import Dataset
from tass_core.evaluation.accuracy import accuracies, metric
from tass_core.evaluation.predictions import Predictions, write_predictions
from tracking import schema
from tracking.events import Event, Origin, SweepClosed, SweepOpened, TrialEnded, TrialOpened
from tracking.writer import Writer


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to the test questions, in place of a trial's."""

    key: str
    """In place of a trial's key."""
    name: str
    """Of the row."""
    variant: str
    """In place of a config's hash."""
    seed: int
    found: Predictions
    params: Mapping[str, Any]
    """What made them."""


def publish_answers(
    plan: Mapping[str, Any],
    key: str,
    answers: Sequence[Answers],
    *,
    dataset: Dataset,
    uri: str,
    command: str,
) -> None:
    """Write a sweep and answers of its rows to MLflow; the same again change nothing.

    Args:
        plan: as ``Plan.to_dict`` returns it.
        key: the sweep's.
        answers: of its rows.
        dataset: whose questions they answer.
        uri: the tracking URI.
        command: the command line, to be found again in MLflow.

    Raises:
        TrackingError: the store does not take it.
    """
    tags = {
        schema.FINGERPRINT: dataset.fingerprint,
        schema.TRAINING_VERSION: str(TRAINING_VERSION),
        schema.DATASET: dataset.name,
        schema.PROVENANCE: dataset.provenance,
    }
    opened = SweepOpened(
        sweep=key,
        name=plan["sweep"],
        plan=plan,
        tags={schema.SWEEP: plan["sweep"], schema.COMMAND: command, **tags},
        at=time.time(),
    )
    with tempfile.TemporaryDirectory(prefix="tass-answers-") as folder:
        writer = Writer(uri, Files())
        writer.open(dataset.name)
        events: list[Event] = [opened]
        for given in answers:
            write_predictions(Path(folder) / f"{given.key}.parquet", given.found)
            events += _trial(key, given, dataset, tags)
        closed = SweepClosed(sweep=key, status="finished", startup=None, at=time.time())
        origin = Origin(dataset.name, dataset.fingerprint, folder)
        writer.apply(origin, [*events, closed])


def _trial(sweep: str, given: Answers, dataset: Dataset, tags: dict[str, str]) -> list[Event]:
    own = {schema.VARIANT: given.name, schema.CONFIG_HASH: given.variant}
    opened = TrialOpened(
        key=given.key,
        sweep=sweep,
        name=f"{given.name} · {given.seed}",
        params={**given.params, "seed": given.seed, "fingerprint": dataset.fingerprint},
        tags={**own, schema.SEED: str(given.seed), **tags},
        at=time.time(),
    )
    scores = {
        metric(part.split, name): value
        for part in (given.found, *given.found.further)
        for name, value in accuracies(dataset.questions(part.split), part.correct).items()
    }
    ended = TrialEnded(
        key=given.key,
        attempt=0,
        status="finished",
        reason=None,
        metrics=scores,
        predictions=f"{given.key}.parquet",
        at=time.time(),
    )
    return [opened, ended]
