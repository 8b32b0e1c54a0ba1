"""A row for answers that somebody else's code gave, beside the full model's, in MLflow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.answers import Answers, publish_answers
from search_spaces.columns import COLUMNS
from search_spaces.document import Row, Sweep, Table
from search_spaces.plan import FULL_MODEL, Plan, make_plan
from tass_core.config import TrialConfig, digest
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.description import SPLITS
from tass_core.errors import SweepError
from tass_core.evaluation.predictions import Predictions

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
    publish_answers(
        _described(plan, name, variant, keys),
        digest([plan.key, keys])[:16],
        [
            Answers(key, name, variant, seed, found, {"imported": name})
            for seed, (key, found) in enumerate(zip(keys, answers, strict=True))
        ],
        dataset=dataset,
        uri=uri,
        command=command,
    )
    return plan.sweep


def _key(name: str, fingerprint: str, found: Predictions) -> str:
    """Return the address of a rival's answers, in place of a trial's key."""
    order = np.argsort(found.question_id)
    return digest(["imported", name, fingerprint, found.predicted[order].tolist()])[:16]


def _described(plan: Plan, name: str, variant: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return the plan with the rival's row, whose trials nobody can train.

    Answers to further tests do not come with it, so that its table has no columns of them.
    """
    described = plan.to_dict()
    splits = described["dataset"]["splits"]
    described["dataset"]["splits"] = {name: splits[name] for name in SPLITS}
    trials = {str(seed): key for seed, key in enumerate(keys)}
    row = {"name": name, "variant": variant, "missing": None, "trials": trials}
    described["tables"][0]["rows"].append(row)
    return described
