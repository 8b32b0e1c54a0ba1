"""A row for answers that somebody else's code gave, beside the full model's, in MLflow."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.driver.files import Files
from search_spaces.columns import COLUMNS
from search_spaces.document import Row, Sweep, Table
from search_spaces.plan import FULL_MODEL, Plan, make_plan
from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig, digest
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import SweepError
from tass_core.evaluation.accuracy import accuracies
from tass_core.evaluation.predictions import Predictions, write_predictions
from tracking import schema
from tracking.events import Event, Origin, SweepClosed, SweepOpened, TrialEnded, TrialOpened
from tracking.writer import Writer

COLUMNS_SHOWN = tuple(name for name, column in COLUMNS.items() if column.types)


def publish(
    name: str,
    answers: Sequence[Predictions],
    *,
    dataset: Dataset,
    base: TrialConfig,
    uri: str,
    command: str,
) -> str:
    """Write a rival's answers to MLflow as a sweep whose one table compares them; return its name.

    The reference is the full model of ``base``; where its trials are not there yet, the table says
    so. Publishing the same answers again changes nothing.

    Args:
        name: what to call the rival.
        answers: to the test questions, one for each of its seeds, counted from 0.
        dataset: whose questions they are.
        base: the config of the full model.
        uri: the tracking URI.
        command: the command line, to be found again in MLflow.

    Raises:
        SweepError: the name has neither a letter nor a digit, or is the full model's.
        TrackingError: the store does not take it.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not slug or name == FULL_MODEL:
        raise SweepError(f"--as '{name}' names no rival; take for instance --as 'CueSpace'")
    seeds = tuple(range(len(answers)))
    table = Table(
        f"import-{slug}",
        f"import-{slug}",
        f"{name}, by its own answers",
        COLUMNS_SHOWN,
        (Row(FULL_MODEL, {}),),
        reference=FULL_MODEL,
    )
    plan = make_plan(Sweep(f"import-{slug}", f"{name}'s answers", (table,)), dataset, base, seeds)
    keys = [_key(name, dataset.fingerprint, found) for found in answers]
    variant = digest(["imported", name])[:16]
    described = _described(plan, name, variant, keys)
    with tempfile.TemporaryDirectory(prefix="tass-import-") as folder:
        writer = Writer(uri, Files())
        writer.open(dataset.name)
        origin = Origin(dataset.name, dataset.fingerprint, folder)
        sweep = digest([plan.key, keys])[:16]
        tags = {
            schema.FINGERPRINT: dataset.fingerprint,
            schema.TRAINING_VERSION: str(TRAINING_VERSION),
            schema.DATASET: dataset.name,
            schema.PROVENANCE: dataset.provenance,
        }
        opened = SweepOpened(
            sweep=sweep,
            name=plan.sweep,
            plan=described,
            tags={schema.SWEEP: plan.sweep, schema.COMMAND: command, **tags},
            at=time.time(),
        )
        events: list[Event] = [opened]
        for seed, (key, found) in enumerate(zip(keys, answers, strict=True)):
            write_predictions(Path(folder) / f"{key}.parquet", found)
            events += _trial(sweep, key, name, variant, seed, found, dataset, tags)
        closed = SweepClosed(sweep=sweep, status="finished", startup=None, at=time.time())
        writer.apply(origin, [*events, closed])
    return plan.sweep


def _key(name: str, fingerprint: str, found: Predictions) -> str:
    """Return the address of a rival's answers, in place of a trial's key."""
    order = np.argsort(found.question_id)
    return digest(["imported", name, fingerprint, found.predicted[order].tolist()])[:16]


def _described(plan: Plan, name: str, variant: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return the plan with the rival's row, whose trials nobody can train."""
    described = plan.to_dict()
    trials = {str(seed): key for seed, key in enumerate(keys)}
    row = {"name": name, "variant": variant, "missing": None, "trials": trials}
    described["tables"][0]["rows"].append(row)
    return described


def _trial(
    sweep: str,
    key: str,
    name: str,
    variant: str,
    seed: int,
    found: Predictions,
    dataset: Dataset,
    tags: dict[str, str],
) -> list[Event]:
    """Return the events of one of the rival's seeds."""
    opened = TrialOpened(
        key=key,
        sweep=sweep,
        name=f"{name} · {seed}",
        params={"imported": name, "seed": seed, "fingerprint": dataset.fingerprint},
        tags={schema.VARIANT: name, schema.CONFIG_HASH: variant, schema.SEED: str(seed), **tags},
        at=time.time(),
    )
    scores = accuracies(dataset.questions("test"), found.correct)
    ended = TrialEnded(
        key=key,
        attempt=0,
        status="finished",
        reason=None,
        metrics={f"{schema.TEST}{column}": value for column, value in scores.items()},
        predictions=f"{key}.parquet",
        at=time.time(),
    )
    return [opened, ended]
