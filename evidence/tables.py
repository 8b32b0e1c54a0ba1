"""From a snapshot of the tracking store to finished tables: ``collect`` is what commands call.

A table is a query. The plan of a sweep says which trial stands in which row for which seed;
each trial is looked up by its content address among all of the dataset's, so it does not
matter which sweep trained it. What cannot be found, failed, or does not match its neighbours
becomes a named hole, and a cell with a hole has no mean.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evidence.at_test import both_ways
from evidence.estimates import Estimate, Interval, correct
from evidence.factorial import Effect, analyse, factorial
from evidence.families import Family, Reading, read_table, read_tables
from evidence.flips import flips
from evidence.multiplicity import benjamini_hochberg
from evidence.results import Cell, ResultRow, ResultTable
from evidence.rows import Hole, Sample
from evidence.selection import (
    GROUNDING,
    Chosen,
    base,
    choose,
    conflict,
    documented,
    further_tests,
    judged_seeds,
)
from search_spaces.columns import COLUMNS
from search_spaces.document import Table
from search_spaces.twins import twins
from tass_core.errors import ReportError, nearest
from tracking.reader import Snapshot

GATE = "all"
"""The column that a row has to pass before its others are tested."""


def collect(
    snapshot: Snapshot,
    *,
    tables: Sequence[str] = (),
    sweep: str | None = None,
    margin: float | None = None,
) -> list[ResultTable]:
    """Return the finished tables of a tracking store.

    Args:
        snapshot: what the store holds.
        tables: keys or numbers ("2", "table2", "lambda"); empty means all there are.
        sweep: run id (or a unique beginning of it) or name of one sweep. Without it each table
            comes from the most recent sweep that asked for it, on the most recent dataset.
        margin: differences below it are not worth naming, in points; None: each sweep's own.

    Raises:
        ReportError: there is no sweep with a table, or no such table.
        TrackingError: there is no such sweep.
    """
    chosen = choose(snapshot, sweep=sweep)
    known = [*(documented(found) for found in chosen), GROUNDING]
    wanted = _wanted(tables, known, snapshot.address)
    # All of them, whatever is wanted: a row's interval is the same wherever it is printed.
    readings = read_tables(snapshot, chosen)
    built = [build_table(snapshot, it, margin) for it in readings if it.chosen.key in wanted]
    if GROUNDING.key in wanted:
        built.extend(_grounding(snapshot, readings, required=bool(tables)))
    return built


def build_table(snapshot: Snapshot, reading: Reading, margin: float | None = None) -> ResultTable:
    """Return one finished table."""
    sweep, spec = reading.chosen.sweep, documented(reading.chosen)
    columns, samples = spec.columns, reading.samples
    published = {row.name: row.published for row in spec.rows}
    rows = [
        _finish_row(sample, columns, published.get(sample.name, {}), reading) for sample in samples
    ]
    answers = next((p for sample in samples for p in sample.answers.values()), None)
    return ResultTable(
        key=reading.chosen.key,
        number=spec.number,
        title=spec.title,
        columns=columns,
        rows=tuple(_rank(_correct(rows, columns), columns)),
        seeds=judged_seeds(sweep),
        dataset=sweep.dataset,
        provenance=sweep.provenance,
        fingerprint=sweep.fingerprint,
        training_version=sweep.training_version,
        sweep=sweep.name,
        sweep_run=sweep.run_id,
        base=base(sweep),
        note=spec.note,
        experiment_id=sweep.experiment_id,
        tracking_uri=snapshot.address,
        questions={} if answers is None else answers.counts(),
        videos=next((sample.videos_asked for sample in samples if sample.answers), None),
        margin=reading.chosen.document.margin if margin is None else margin,
        further=further_tests(sweep),
        effects=tuple(_effects(reading)),
        at_test=both_ways(reading, GATE) if GATE in columns else (),
        flips=flips(reading, GATE) if GATE in columns else (),
        twins=twins(spec, {sample.name: sample.config_hash for sample in samples}),
    )


def _effects(reading: Reading) -> list[Effect]:
    """Return the effects of a factorial table whose rows all have the same seeds, fixed before."""
    samples = {sample.name: sample for sample in reading.samples}
    design = factorial(list(samples))
    if design is None or reading.family.design is not None:
        return []
    seeds = reading.family.comparable(reading.samples, GATE)
    if not seeds:
        return []
    correct = {cell: samples[row].correct(GATE, seeds) for cell, row in design.rows.items()}
    return analyse(design, correct, reading.samples[0].videos(GATE, seeds[0]))


def _wanted(asked: Sequence[str], known: Sequence[Table], uri: str) -> list[str]:
    if not asked:
        return [table.key for table in known]
    numbers = {name: table.key for table in known for name in (table.number, table.key)}
    for name in asked:
        if name not in numbers:
            raise ReportError(
                f"table '{name}' is in no sweep of {uri}; there are: "
                f"{', '.join(table.number for table in known)}{nearest(name, numbers)}"
            )
    return [numbers[name] for name in asked]


def _grounding(
    snapshot: Snapshot, readings: Sequence[Reading], *, required: bool
) -> list[ResultTable]:
    """Return the table of grounding scores, one row for each trained variant; [] without any.

    It stands under the first sweep; a row of a sweep that may not stand beside it is a hole.
    """
    first = readings[0].chosen.sweep
    rows: dict[str, Mapping[str, object]] = {}
    strange: dict[str, Mapping[str, object]] = {}
    for found in (reading.chosen for reading in readings):
        reason = conflict(first, found.sweep)
        for row in found.table["rows"]:
            if row.get("at_test"):
                continue
            if row.get("variant") and reason is None:
                rows.setdefault(row["variant"], row)
            elif row.get("variant"):
                hole = {"name": row["name"], "variant": None, "missing": reason}
                strange.setdefault(row["name"], hole)
    names = {row["name"] for row in rows.values()}
    apart = [hole for name, hole in strange.items() if name not in names]
    plan = {"key": GROUNDING.key, "rows": [*rows.values(), *apart]}
    reading = read_table(snapshot, Chosen(first, plan), readings[0].family)
    table = build_table(snapshot, reading)
    scored = any(cell.values for row in table.rows for cell in row.cells.values())
    if not scored and required:
        raise ReportError("no run has grounding scores: only invented scenes have true regions")
    return [table] if scored else []


def _finish_row(
    sample: Sample, columns: Sequence[str], published: Mapping[str, float], reading: Reading
) -> ResultRow:
    reference = reading.references.get(sample.name)
    variant = sample.sweep.plan.get("variants", {}).get(sample.config_hash, {})
    return ResultRow(
        name=sample.name,
        config_hash=sample.config_hash,
        runs={seed: run.run_id for seed, run in sample.runs.items()},
        cells={
            name: _cell(sample, name, published.get(name), reference, reading.family)
            for name in columns
        },
        reference=reference.name if reference else None,
        holes=sample.holes,
        published_only=sample.config_hash is None and not sample.holes,
        fidelity=variant.get("fidelity", ""),
        differs=variant.get("differs", ""),
    )


def _cell(
    sample: Sample, name: str, published: float | None, reference: Sample | None, family: Family
) -> Cell:
    column, values = COLUMNS[name], sample.values(name)
    holes = sample.holes if _lacks(sample, column.attention) else sample.missing(name)
    complete = bool(values) and not holes
    found: Estimate | None = None
    reasons: tuple[Hole, ...] = ()
    if reference is not None and complete and not column.baseline:
        found, reasons = _difference(sample, reference, name, family)
    return Cell(
        column=name,
        values=values,
        mean=statistics.fmean(values.values()) if complete else None,
        interval=_interval(sample, name, family) if complete and not column.counted else None,
        published=published,
        difference=found,
        holes=holes,
        difference_holes=reasons,
        sd=statistics.stdev(values.values()) if complete and len(values) > 1 else None,
    )


def _interval(sample: Sample, name: str, family: Family) -> Interval | None:
    """Return a row's own interval; an accuracy's stays within 0 and 100."""
    found = family.row(sample, name).interval
    if found is None or not COLUMNS[name].types:
        return found
    return Interval(max(found.low, 0.0), min(found.high, 100.0))


def _lacks(sample: Sample, attention: str | None) -> bool:
    """Whether a row's networks do not have the attention that a column is about."""
    return attention is not None and not any(
        attention in run.metrics for run in sample.runs.values()
    )


def _difference(
    sample: Sample, reference: Sample, name: str, family: Family
) -> tuple[Estimate | None, tuple[Hole, ...]]:
    """Return the difference to the reference, or why there is none."""
    seeds = family.comparable([sample, reference], name)
    if not seeds:
        holes = reference.missing(name)
        return None, holes or (Hole(reference.name, None, "has other seeds"),)
    found = family.estimate([(1.0, sample), (-1.0, reference)], seeds, name)
    counted = COLUMNS[name].counted
    return found.untested() if counted else found, ()


def _correct(rows: Sequence[ResultRow], columns: Sequence[str]) -> list[ResultRow]:
    """Correct the p-values of a table.

    Its All column by Holm; in the rows that pass, the other columns by Benjamini and Hochberg,
    at a level that falls with the share of rows that pass (Benjamini and Bogomolov, 2014). A
    table without that column is one family (Holm).
    """
    cells = [dict(row.cells) for row in rows]
    if GATE not in columns:
        places = [(cell, column) for cell in cells for column in columns]
        found = correct([cell[column].difference for cell, column in places])
        for (cell, column), estimate in zip(places, found, strict=True):
            cell[column] = replace(cell[column], difference=estimate)
        return [replace(row, cells=cell) for row, cell in zip(rows, cells, strict=True)]
    gates = correct([cell[GATE].difference for cell in cells])
    tested = len(dict.fromkeys(it for it in gates if it and it.p_adjusted is not None))
    passed = len(dict.fromkeys(it for it in gates if it and it.significant))
    for cell, gate in zip(cells, gates, strict=True):
        cell[GATE] = replace(cell[GATE], difference=gate)
        if gate is not None and gate.significant:
            _correct_types(cell, [it for it in columns if it != GATE], tested / passed)
    return [replace(row, cells=cell) for row, cell in zip(rows, cells, strict=True)]


def _correct_types(cells: dict[str, Cell], columns: Sequence[str], factor: float) -> None:
    """Correct the p-values of the other columns of a row that passed."""
    found = [cells[column].difference for column in columns]
    adjusted = benjamini_hochberg([None if it is None else it.p for it in found])
    for column, estimate, p in zip(columns, found, adjusted, strict=True):
        if estimate is not None and p is not None:
            known = replace(estimate, p_adjusted=min(p * factor, 1.0))
            cells[column] = replace(cells[column], difference=known)


def _rank(rows: Sequence[ResultRow], columns: Sequence[str]) -> list[ResultRow]:
    """Mark the best and the second best mean of every column, ties alike."""
    cells = [dict(row.cells) for row in rows]
    for column in (name for name in columns if not COLUMNS[name].baseline):
        known = [cell[column].mean for cell in cells]
        means = {round(mean, 2) for mean in known if mean is not None}
        best = sorted(means, reverse=not COLUMNS[column].lower_is_better)[:2]
        for cell in cells:
            mean = cell[column].mean
            if mean is not None and len(means) > 1 and round(mean, 2) in best:
                cell[column] = replace(cell[column], rank=best.index(round(mean, 2)) + 1)
    return [replace(row, cells=cell) for row, cell in zip(rows, cells, strict=True)]
