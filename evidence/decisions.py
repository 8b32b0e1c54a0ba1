"""Plans that add seeds until they are decided, judged from their answers alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.families import reference_rows
from evidence.selection import designed
from evidence.sequential import Design, Path
from evidence.standing import Standing, paths, scores, stand
from evidence.variance import Matrix
from search_spaces.columns import COLUMNS
from search_spaces.plan import planned_document
from tass_core.evaluation.predictions import Predictions
from tracking.reader import Snapshot, SweepRun, chosen

Answers = Callable[[str, int], Predictions | None]
"""A variant's test answers with a seed; None where it has not finished."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a plan stands: its rows, and what it took."""

    design: Design
    names: Mapping[str, str]
    """Variant -> name, of every row that is compared."""
    references: Mapping[str, str]
    """Variant -> the variant it is compared to."""
    seeds: Mapping[str, int]
    """Variant -> finished seeds in the plan's order, references included."""
    paths: Mapping[str, Path]
    standings: Mapping[str, Standing]
    """Variant -> where it stands; without rows that have no look behind them."""

    @property
    def open(self) -> list[str]:
        """Variants that go on."""
        return [it for it, standing in self.standings.items() if standing.state == "open"]

    @property
    def trials(self) -> int:
        """Trials that were used."""
        return sum(self.seeds.values())

    @property
    def equal_trials(self) -> int:
        """Trials that as many seeds for every row as the longest has would have taken."""
        return len(self.seeds) * max(self.seeds.values(), default=0)

    def scores(self) -> dict[str, float]:
        """Return what the next seed is worth to each open row."""
        shared = min((self.seeds[it] for it in set(self.references.values())), default=0)
        return scores(self.paths, self.standings, shared, self.design)


def judge_plan(plan: Mapping[str, Any], answers: Answers) -> Decision:
    """Return where a plan stands.

    Args:
        plan: as ``Plan.to_dict`` returned it; the record of its looks is not read.
        answers: where its answers are.
    """
    design = designed(plan)
    assert design is not None
    references = _references(plan)
    types = COLUMNS[plan["until_decided"]["column"]].types
    variants = dict.fromkeys([*references, *references.values()])
    known = {it: _answered(it, plan["seeds"][: design.last], answers) for it in variants}
    first = next((rows[0] for rows in known.values() if rows), None)
    correct = {it: _correct(rows, types) for it, rows in known.items() if rows}
    differences = {
        row: _difference(correct[row], correct[reference])
        for row, reference in references.items()
        if row in correct and reference in correct
    }
    found = paths(differences, _videos(first, types), design)
    return Decision(
        design=design,
        names={it: plan["variants"][it]["name"] for it in references},
        references=references,
        seeds={it: len(rows) for it, rows in known.items()},
        paths=found,
        standings=stand(found, design),
    )


def decide_sweep(snapshot: Snapshot, sweep: SweepRun) -> Decision:
    """Return where a sweep's plan stands, by the finished trials of a tracking store."""
    keys = {(it["variant"], int(it["seed"])): key for key, it in sweep.plan["trials"].items()}

    def answers(variant: str, seed: int) -> Predictions | None:
        runs = snapshot.trials.get(keys.get((variant, seed), ""), ())
        if not runs or chosen(runs).state != "finished":
            return None
        return snapshot.predictions(chosen(runs))

    return judge_plan(sweep.plan, answers)


def _references(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return variant -> reference variant, of every row of every table."""
    document, found = planned_document(plan), dict[str, str]()
    for table in plan["tables"]:
        named = next((it.reference for it in document.tables if it.key == table["key"]), None)
        variants = {row["name"]: row["variant"] for row in table["rows"] if row["variant"]}
        for row, reference in reference_rows(plan, table["rows"], named).items():
            if variants[row] != variants[reference]:
                found.setdefault(variants[row], variants[reference])
    return found


def _answered(variant: str, seeds: list[int], answers: Answers) -> list[Predictions]:
    """Return a variant's answers up to the first seed without any: none is skipped."""
    found: list[Predictions] = []
    for seed in seeds:
        given = answers(variant, seed)
        if given is None:
            break
        found.append(given)
    return found


def _correct(rows: list[Predictions], types: tuple[str, ...]) -> Matrix:
    keep = np.isin(rows[0].type, types)
    return np.stack([it.correct[keep] for it in rows]).astype(np.float64)


def _difference(row: Matrix, reference: Matrix) -> Matrix:
    shared = min(len(row), len(reference))
    return np.asarray(row[:shared] - reference[:shared])


def _videos(answers: Predictions | None, types: tuple[str, ...]) -> NDArray[np.str_] | None:
    if answers is None or answers.video is None:
        return None
    return answers.video[np.isin(answers.type, types)]
