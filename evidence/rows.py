"""A table row's runs: looked up by content address, judged, and every fault named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evidence.results import Hole
from evidence.variance import Matrix, weighted_average
from search_spaces.columns import COLUMNS
from tass_core.evaluation.predictions import Predictions
from tracking.reader import Snapshot, SweepRun, TrialRun

TOLERANCE = 0.01
"""Points by which a logged accuracy may differ from the one recounted from predictions."""


@dataclass(frozen=True, slots=True)
class RowData:
    """One row's usable runs and predictions, by seed, and what is missing."""

    name: str
    config_hash: str | None
    runs: Mapping[int, TrialRun]
    predictions: Mapping[int, Predictions]
    holes: tuple[Hole, ...]


class Lookup:
    """Looks trials up in a snapshot of a tracking store."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def rows(self, sweep: SweepRun, plans: Sequence[Mapping[str, Any]]) -> list[RowData]:
        """Return the rows of a table's plan, all answering the same test questions."""
        rows = [self._row(sweep, plan) for plan in plans]
        return [_same_questions(row, rows) for row in rows]

    def _row(self, sweep: SweepRun, plan: Mapping[str, Any]) -> RowData:
        """Return one row's usable runs and predictions, and name what is missing."""
        name = plan["name"]
        if plan.get("missing"):
            hole = Hole(name, None, plan["missing"])
            return RowData(name, plan.get("variant"), {}, {}, (hole,))
        runs: dict[int, TrialRun] = {}
        predictions: dict[int, Predictions] = {}
        holes: list[Hole] = []
        for seed, key in sorted((int(seed), key) for seed, key in plan["trials"].items()):
            run, fault = self._usable(sweep, key)
            answers = self._snapshot.predictions(run) if run else None
            if run is not None and answers is not None:
                fault = fault or _disagreement(run, answers)
            if run is None or fault:
                holes.append(Hole(name, seed, fault or "no run", run.run_id if run else None))
                continue
            runs[seed] = run
            if answers is not None:
                predictions[seed] = answers
        return RowData(name, plan.get("variant"), runs, predictions, tuple(holes))

    def _usable(self, sweep: SweepRun, key: str) -> tuple[TrialRun | None, str | None]:
        """Return the best run of a trial and what is wrong with it, if anything is."""
        runs = self._snapshot.trials.get(key, ())
        judged = [
            (run, _fault(run, sweep)) for run in runs if run.experiment_id == sweep.experiment_id
        ]
        if not judged:
            return None, f"no run of trial {key} in MLflow"
        return next((pair for pair in judged if pair[1] is None), judged[0])


def correctness(predictions: Mapping[int, Predictions], column: str) -> Matrix:
    """Return correct answers of a column as a matrix [S, Q], seeds ascending."""
    rows = [predictions[seed] for seed in sorted(predictions)]
    keep = np.isin(rows[0].type, COLUMNS[column].types)
    return np.stack([row.correct[keep] for row in rows]).astype(np.float64)


def row_values(row: RowData, column: str) -> tuple[dict[int, float], tuple[Hole, ...]]:
    """Return a row's values of a column by seed, and the holes that keep it from a mean."""
    values: dict[int, float] = {}
    holes = list(row.holes)
    for seed, run in row.runs.items():
        value = _value(run, column, row.predictions.get(seed))
        if value is None:
            reason = f"{COLUMNS[column].label} was not logged"
            holes.append(Hole(row.name, seed, reason, run.run_id))
        else:
            values[seed] = value
    return values, tuple(holes)


def _value(run: TrialRun, column: str, answers: Predictions | None) -> float | None:
    """Return a run's value: as logged, or for an average from its question types."""
    spec = COLUMNS[column]
    logged = run.metrics.get(spec.metric)
    if logged is not None or answers is None or len(spec.types) < 2:
        return logged
    counts = answers.counts()
    parts = {n: run.metrics.get(COLUMNS[n].metric) for n in spec.types if n in counts}
    known = {name: value for name, value in parts.items() if value is not None}
    return weighted_average(known, counts) if known and len(known) == len(parts) else None


def _fault(run: TrialRun, sweep: SweepRun) -> str | None:
    """Return why a run may not be averaged with its neighbours, or None."""
    if run.state == "failed":
        return f"run failed ({run.reason or 'no reason recorded'})"
    if run.state != "finished":
        return f"run {'was pruned' if run.state == 'pruned' else 'has not finished'}"
    if run.fingerprint != sweep.fingerprint:
        return f"other dataset: fingerprint {run.fingerprint}, the table's is {sweep.fingerprint}"
    if run.training_version != sweep.training_version:
        return (
            f"other training code: version {run.training_version}, "
            f"the table's is {sweep.training_version}"
        )
    return None


def _disagreement(run: TrialRun, answers: Predictions) -> str | None:
    """Return how logged accuracies and logged predictions contradict each other, if they do."""
    for column in ("all", *answers.counts()):
        logged = run.metrics.get(f"test/{column}")
        counted = 100 * float(answers.correct[np.isin(answers.type, COLUMNS[column].types)].mean())
        if logged is not None and abs(logged - counted) > TOLERANCE:
            return f"test/{column} is logged as {logged:.2f}, its predictions give {counted:.2f}"
    return None


def _same_questions(row: RowData, rows: Sequence[RowData]) -> RowData:
    """Drop the seeds whose questions are not those of the table's first run."""
    first = next((p for other in rows for p in other.predictions.values()), None)
    if first is None:
        return row
    odd = [
        seed
        for seed, answers in row.predictions.items()
        if not np.array_equal(answers.question_id, first.question_id)
    ]
    holes = [Hole(row.name, s, "answers other test questions", row.runs[s].run_id) for s in odd]
    return replace(
        row,
        runs={seed: run for seed, run in row.runs.items() if seed not in odd},
        predictions={s: answers for s, answers in row.predictions.items() if s not in odd},
        holes=(*row.holes, *holes),
    )
