"""A table row's trials: looked up by content address, judged, and every fault named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.variance import Matrix, weighted_average
from search_spaces.columns import COLUMNS
from search_spaces.document import Place
from tass_core.data.music_avqa.vocabulary import AVERAGES
from tass_core.evaluation.accuracy import metric
from tass_core.evaluation.predictions import Predictions
from tracking.reader import Snapshot, SweepRun, TrialRun

TOLERANCE = 0.01
"""Points by which a logged accuracy may differ from the one recounted from predictions."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Something a table would need and does not have."""

    row: str
    seed: int | None
    """None when the whole row is concerned."""
    reason: str
    run_id: str | None = None

    def __str__(self) -> str:
        where = self.row if self.seed is None else f"{self.row}, seed {self.seed}"
        return f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row's usable trials, by seed, and what is missing."""

    place: Place
    sweep: SweepRun
    """The sweep whose plan has the row."""
    config_hash: str | None
    runs: Mapping[int, TrialRun]
    answers: Mapping[int, Predictions]
    """Answers to the test splits of every run in ``runs``."""
    holes: tuple[Hole, ...]

    @property
    def name(self) -> str:
        """The row's name."""
        return self.place.row

    @property
    def videos_asked(self) -> int | None:
        """Videos that its questions are about; None where the predictions do not say."""
        known = next((it.video for it in self.answers.values() if it.video is not None), None)
        return None if known is None else len(np.unique(known))

    def values(self, column: str) -> dict[int, float]:
        """Return the values of a column by seed, as far as the runs have them."""
        found = {seed: _value(run, column, self.answers[seed]) for seed, run in self.runs.items()}
        return {seed: value for seed, value in found.items() if value is not None}

    def missing(self, column: str) -> tuple[Hole, ...]:
        """Return the holes that keep the row from a mean in a column."""
        known, reason = self.values(column), f"{COLUMNS[column].label} was not logged"
        return self.holes + tuple(
            Hole(self.name, seed, reason, run.run_id)
            for seed, run in self.runs.items()
            if seed not in known
        )

    def correct(self, column: str, seeds: Sequence[int]) -> Matrix:
        """Return the column's answers as right (1) or wrong (0): [S, Q]."""
        keep = self.asked(column, seeds[0])
        answers = [self._on(column, seed) for seed in seeds]
        return np.stack([it.correct[keep] for it in answers]).astype(np.float64)

    def asked(self, column: str, seed: int) -> NDArray[np.bool_]:
        """Return which questions of the column's split are its own: [Q]."""
        return np.isin(self._on(column, seed).type, COLUMNS[column].types)

    def videos(self, column: str, seed: int) -> NDArray[np.str_] | None:
        """Return the video of each of the column's questions: [Q]; None where it is not known."""
        video = self._on(column, seed).video
        return None if video is None else video[self.asked(column, seed)]

    def _on(self, column: str, seed: int) -> Predictions:
        answers = self.answers[seed].on(COLUMNS[column].split)
        assert answers is not None, "a run without them has no value in the column"
        return answers


Samples = Mapping[Place, Sample]


def sample_rows(snapshot: Snapshot, sweep: SweepRun, table: Mapping[str, Any]) -> list[Sample]:
    """Return the rows of one table of a sweep's plan, all answering the same test questions."""
    rows = [_sample(snapshot, sweep, table["key"], row) for row in table["rows"]]
    first = next((p for row in rows for p in row.answers.values()), None)
    return rows if first is None else [_same_questions(row, first) for row in rows]


def _sample(snapshot: Snapshot, sweep: SweepRun, key: str, plan: Mapping[str, Any]) -> Sample:
    """Return one row's usable runs and answers, and name what is missing."""
    name = plan["name"]
    runs: dict[int, TrialRun] = {}
    answers: dict[int, Predictions] = {}
    holes = [Hole(name, None, plan["missing"])] if plan.get("missing") else []
    trials = {} if holes else plan["trials"]
    for seed, address in sorted((int(seed), address) for seed, address in trials.items()):
        run, fault = _usable(snapshot, sweep, address)
        given = snapshot.predictions(run) if run else None
        fault = fault or _disagreement(run, given)
        if run is None or given is None or fault:
            holes.append(Hole(name, seed, fault or "", run.run_id if run else None))
        else:
            runs[seed], answers[seed] = run, given
    return Sample(Place(key, name), sweep, plan.get("variant"), runs, answers, tuple(holes))


def _usable(
    snapshot: Snapshot, sweep: SweepRun, address: str
) -> tuple[TrialRun | None, str | None]:
    """Return the best run of a trial and what is wrong with it, if anything is."""
    runs = snapshot.trials.get(address, ())
    judged = [(run, _fault(run, sweep)) for run in runs if run.dataset == sweep.dataset]
    if not judged:
        return None, f"no run of trial {address} in MLflow"
    return next((pair for pair in judged if pair[1] is None), judged[0])


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


def _disagreement(run: TrialRun | None, answers: Predictions | None) -> str | None:
    """Return how a run's accuracies and predictions contradict each other, if they do."""
    if run is None or answers is None:
        return "its predictions are gone, so nothing confirms its accuracies"
    for part in (answers, *answers.further):
        for name in ("all", *part.counts()):
            logged = run.metrics.get(metric(part.split, name))
            counted = 100 * float(part.correct[np.isin(part.type, COLUMNS[name].types)].mean())
            if logged is not None and abs(logged - counted) > TOLERANCE:
                named = metric(part.split, name)
                return f"{named} is logged as {logged:.2f}, its predictions give {counted:.2f}"
    return None


def _same_questions(row: Sample, first: Predictions) -> Sample:
    """Drop the seeds whose questions are not those of the table's first run."""
    odd = [s for s, answers in row.answers.items() if not same_questions(answers, first)]
    holes = [Hole(row.name, s, "answers other test questions", row.runs[s].run_id) for s in odd]
    return replace(
        row,
        runs={seed: run for seed, run in row.runs.items() if seed not in odd},
        answers={seed: answers for seed, answers in row.answers.items() if seed not in odd},
        holes=(*row.holes, *holes),
    )


def same_questions(one: Predictions, other: Predictions) -> bool:
    """Whether two runs answered the same test questions, as far as both have them."""
    pairs = [(part, other.on(part.split)) for part in (one, *one.further)]
    return all(b is None or np.array_equal(a.question_id, b.question_id) for a, b in pairs)


def _value(run: TrialRun, column: str, answers: Predictions) -> float | None:
    """Return a run's value: as logged, above chance, or of an average from its question types."""
    if COLUMNS[column].types and answers.on(COLUMNS[column].split) is None:
        return None
    logged = run.metrics.get(COLUMNS[column].metric)
    if above := COLUMNS[column].above:
        chance = run.metrics.get(above)
        return None if logged is None or chance is None else logged - chance
    if logged is not None or column not in AVERAGES:
        return logged
    counts = answers.counts()
    types = [name for name in COLUMNS[column].types if name in counts]
    parts = {name: run.metrics.get(COLUMNS[name].metric) for name in types}
    known = {name: value for name, value in parts.items() if value is not None}
    return weighted_average(known, counts) if known and len(known) == len(parts) else None
