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
from typing import Any

from evidence.multiplicity import correct
from evidence.results import Cell, ResultRow, ResultTable
from evidence.rows import Hole, Sample, sample_rows
from evidence.selection import Chosen, base, choose, conflict
from evidence.variance import Estimate, compare, mean_interval, seed_difference
from search_spaces.columns import COLUMNS
from search_spaces.document import Table
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError, ReportError, nearest
from tracking.reader import Snapshot, SweepRun

SWEEP_COLUMNS = ("a_avg", "v_avg", "av_avg", "all")
"""Columns of the tables that no document describes."""
GROUNDING = Table(
    key="grounding",
    number="grounding",
    title="Attention against the truth, which only a procedural dataset has",
    columns=tuple(key for key, column in COLUMNS.items() if column.attention),
    rows=(),
)


def collect(
    snapshot: Snapshot, *, tables: Sequence[str] = (), sweep: str | None = None
) -> list[ResultTable]:
    """Return the finished tables of a tracking store.

    Args:
        snapshot: what the store holds.
        tables: keys or numbers ("2", "table2", "lambda"); empty means all there are.
        sweep: run id (or a unique beginning of it) or name of one sweep. Without it each table
            comes from the most recent sweep that asked for it, on the most recent dataset.

    Raises:
        ReportError: there is no sweep with a table, or no such table.
        TrackingError: there is no such sweep.
    """
    chosen = choose(snapshot, sweep=sweep)
    known = [*(documented(found) for found in chosen), GROUNDING]
    wanted = _wanted(tables, known, snapshot.address)
    built = [build_table(snapshot, found) for found in chosen if found.key in wanted]
    if GROUNDING.key in wanted:
        built.extend(_grounding(snapshot, chosen, required=bool(tables)))
    return built


def build_table(snapshot: Snapshot, chosen: Chosen) -> ResultTable:
    """Return one finished table."""
    sweep, plan = chosen.sweep, chosen.table
    spec = documented(chosen)
    columns, samples = spec.columns, sample_rows(snapshot, sweep, plan)
    published = {row.name: row.published for row in spec.rows}
    references = reference_rows(sweep, plan["rows"])
    if spec.reference is not None:
        references = {row["name"]: spec.reference for row in plan["rows"] if row.get("variant")}
    rows = [
        _finish_row(sample, columns, published.get(sample.name, {}), references, samples)
        for sample in samples
    ]
    answers = next((p for sample in samples for p in sample.answers.values()), None)
    return ResultTable(
        key=chosen.key,
        number=spec.number,
        title=spec.title,
        columns=columns,
        rows=tuple(_rank(_correct(rows, columns), columns)),
        seeds=sweep.seeds,
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
    )


def documented(chosen: Chosen) -> Table:
    """Return a table as its sweep's document has it; without rows where none describes it."""
    for table in (*chosen.document.tables, GROUNDING):
        if table.key == chosen.key:
            return table
    number = chosen.table.get("number", chosen.key)
    title = chosen.table.get("title", f"Sweep over {chosen.key}")
    return Table(chosen.key, number, title, SWEEP_COLUMNS, ())


def reference_rows(sweep: SweepRun, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return row name -> name of the row its difference is taken to.

    The reference is the sweep's base config, the full model, with the row's own encoder. A
    table without such a row has no differences.
    """
    full = TrialConfig().with_values(dict(sweep.plan["base"]))
    variants = sweep.plan.get("variants", {})
    by_hash = {row["variant"]: row["name"] for row in rows if row.get("variant")}
    found: dict[str, str] = {}
    for row in rows:
        config = variants.get(row.get("variant"), {}).get("config")
        if config is None:
            continue
        try:
            reference = full.replace("model.encoder", config["model.encoder"]).hash()
        except ConfigError:
            continue
        if reference in by_hash:
            found[row["name"]] = by_hash[reference]
    return found


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
    snapshot: Snapshot, chosen: Sequence[Chosen], *, required: bool
) -> list[ResultTable]:
    """Return the table of grounding scores, one row for each trained variant; [] without any.

    It stands under the first sweep; a row of a sweep that may not stand beside it is a hole.
    """
    first = chosen[0].sweep
    rows: dict[str, Mapping[str, Any]] = {}
    strange: dict[str, Mapping[str, Any]] = {}
    for found in chosen:
        reason = conflict(first, found.sweep)
        for row in found.table["rows"]:
            if row.get("variant") and reason is None:
                rows.setdefault(row["variant"], row)
            elif row.get("variant"):
                hole = {"name": row["name"], "variant": None, "missing": reason}
                strange.setdefault(row["name"], hole)
    names = {row["name"] for row in rows.values()}
    apart = [hole for name, hole in strange.items() if name not in names]
    plan = {"key": GROUNDING.key, "rows": [*rows.values(), *apart]}
    table = build_table(snapshot, Chosen(first, plan))
    scored = any(cell.values for row in table.rows for cell in row.cells.values())
    if not scored and required:
        raise ReportError(
            "no run has grounding scores: only procedural datasets know the true regions"
        )
    return [table] if scored else []


def _finish_row(
    sample: Sample,
    columns: Sequence[str],
    published: Mapping[str, float],
    references: Mapping[str, str],
    samples: Sequence[Sample],
) -> ResultRow:
    name = references.get(sample.name)
    reference = None
    if name is not None and name != sample.name:
        reference = next(other for other in samples if other.name == name)
    return ResultRow(
        name=sample.name,
        config_hash=sample.config_hash,
        runs={seed: run.run_id for seed, run in sample.runs.items()},
        cells={name: _cell(sample, name, published.get(name), reference) for name in columns},
        reference=reference.name if reference else None,
        holes=sample.holes,
        published_only=sample.config_hash is None and not sample.holes,
    )


def _cell(sample: Sample, name: str, published: float | None, reference: Sample | None) -> Cell:
    column, values = COLUMNS[name], sample.values(name)
    holes = sample.holes if _lacks(sample, column.attention) else sample.missing(name)
    complete = bool(values) and not holes
    mean, interval = mean_interval(list(values.values())) if complete else (None, None)
    difference: Estimate | None = None
    reasons: tuple[Hole, ...] = ()
    if reference is not None and complete and not column.baseline:
        difference, reasons = _difference(sample, reference, name)
    return Cell(
        column=name,
        values=values,
        mean=mean,
        interval=None if column.counted else interval,
        published=published,
        difference=difference,
        holes=holes,
        difference_holes=reasons,
        sd=statistics.stdev(values.values()) if complete and len(values) > 1 else None,
    )


def _lacks(sample: Sample, attention: str | None) -> bool:
    """Whether a row's networks do not have the attention that a column is about."""
    return attention is not None and not any(
        attention in run.metrics for run in sample.runs.values()
    )


def _difference(
    sample: Sample, reference: Sample, name: str
) -> tuple[Estimate | None, tuple[Hole, ...]]:
    """Return the difference to the reference, or why there is none."""
    column, values, full = COLUMNS[name], sample.values(name), reference.values(name)
    holes = reference.missing(name)
    if holes or sorted(values) != sorted(full):
        return None, holes or (Hole(reference.name, None, "has other seeds"),)
    seeds = sorted(values)
    if column.types:
        return compare(sample.correct(name, seeds), reference.correct(name, seeds)), ()
    found = seed_difference([values[s] for s in seeds], [full[s] for s in seeds])
    return replace(found, interval=None, p=None) if column.counted else found, ()


def _correct(rows: Sequence[ResultRow], columns: Sequence[str]) -> list[ResultRow]:
    """Correct every column's p-values for the number of its comparisons (Holm)."""
    cells = [dict(row.cells) for row in rows]
    for column in columns:
        found = correct([cell[column].difference for cell in cells])
        for cell, difference in zip(cells, found, strict=True):
            cell[column] = replace(cell[column], difference=difference)
    return [replace(row, cells=cell) for row, cell in zip(rows, cells, strict=True)]


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
