"""From a tracking URI to finished tables: ``collect`` is what every command calls.

A table is a query. The plan of a sweep says which trial stands in which row for which seed;
each trial is looked up by its content address in the whole experiment, so it does not matter
which sweep trained it. What cannot be found, failed, or does not match its neighbours becomes
a named hole, and a cell with a hole has no mean.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evidence.multiplicity import holm
from evidence.results import Cell, Hole, ResultRow, ResultTable
from evidence.rows import Lookup, RowData, correctness, row_values
from evidence.variance import Difference, compare, mean_interval, seed_difference
from search_spaces.columns import COLUMNS
from search_spaces.sweeps import SWEEPS
from search_spaces.tables import Table
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError, ReportError, nearest
from tracking.reader import Reader, Snapshot, SweepRun

SWEEP_COLUMNS = ("a_avg", "v_avg", "av_avg", "all")
"""Columns of the tables the paper does not have (λ, T2 and other sweeps)."""
GROUNDING_KEY = "grounding"
_GROUNDING = Table(
    key=GROUNDING_KEY,
    number=GROUNDING_KEY,
    title="Attention against the truth, which only a procedural dataset has",
    columns=tuple(key for key, column in COLUMNS.items() if column.module),
    rows=(),
)
_SPECS = {GROUNDING_KEY: _GROUNDING} | {
    table.key: table for sweep in SWEEPS.values() for table in sweep.tables
}


def collect(
    tracking_uri: str | None = None,
    *,
    tables: Sequence[str] = (),
    sweep: str | None = None,
) -> list[ResultTable]:
    """Return the finished tables of a tracking store.

    Args:
        tracking_uri: where MLflow is; ``MLFLOW_TRACKING_URI`` or ``sqlite:///mlflow.db`` in the
            working directory when None.
        tables: keys or numbers ("2", "table2", "lambda"); empty means all there are.
        sweep: run id (or a unique beginning of it) or name of one sweep. Without it each table
            comes from the most recent sweep that asked for it, on the most recent dataset.

    Raises:
        ReportError: there is no store, no sweep, or no such table.
    """
    return collect_from(Reader(tracking_uri).snapshot(), tables=tables, sweep=sweep)


def collect_from(
    snapshot: Snapshot, *, tables: Sequence[str] = (), sweep: str | None = None
) -> list[ResultTable]:
    """Return the finished tables of a snapshot; see ``collect``."""
    chosen = choose(snapshot, sweep=sweep)
    wanted = _wanted(tables, [plan["key"] for _, plan in chosen], snapshot.address)
    lookup = Lookup(snapshot)
    found = [
        build_table(snapshot, lookup, source, plan)
        for source, plan in chosen
        if plan["key"] in wanted
    ]
    if GROUNDING_KEY in wanted:
        found.extend(_grounding(snapshot, lookup, chosen, required=bool(tables)))
    return found


def choose(
    snapshot: Snapshot, *, sweep: str | None = None
) -> list[tuple[SweepRun, Mapping[str, Any]]]:
    """Return (sweep, table plan) for each table there is, in the order of the paper."""
    sweeps = [snapshot.sweep(sweep)] if sweep else snapshot.readable()
    if not sweeps:
        raise ReportError(
            f"{snapshot.address} holds no sweep; run `tass-cli sweep ablations` first, or name "
            "another store with --tracking-uri"
        )
    newest: dict[str, tuple[SweepRun, Mapping[str, Any]]] = {}
    planned = [source for source in sweeps if source.plan.get("tables")]
    for source in planned:
        if source.fingerprint == planned[0].fingerprint and source.dataset == planned[0].dataset:
            for plan in source.plan.get("tables", ()):
                newest.setdefault(plan["key"], (source, plan))
    if not newest:
        raise ReportError(
            f"{snapshot.address}: no sweep there plans a table; run a grid sweep first"
        )
    keys = [key for key in _SPECS if key in newest] + sorted(newest.keys() - _SPECS)
    return [newest[key] for key in keys]


def build_table(
    snapshot: Snapshot, lookup: Lookup, sweep: SweepRun, plan: Mapping[str, Any]
) -> ResultTable:
    """Return one finished table of a sweep's plan."""
    spec = _SPECS.get(plan["key"])
    columns = tuple(spec.columns) if spec else SWEEP_COLUMNS
    data = lookup.rows(sweep, plan["rows"])
    published = {row.name: row.published for row in spec.rows} if spec else {}
    references = reference_rows(sweep, plan["rows"])
    rows = [
        _finish_row(row, columns, published.get(row.name, {}), references, data) for row in data
    ]
    return ResultTable(
        key=plan["key"],
        number=spec.number if spec else plan["key"],
        title=spec.title if spec else plan.get("title", f"Sweep over {plan['key']}"),
        columns=columns,
        rows=tuple(_rank(_correct(rows, columns), columns)),
        seeds=sweep.seeds,
        dataset=sweep.dataset,
        provenance=sweep.provenance,
        fingerprint=sweep.fingerprint,
        training_version=sweep.training_version,
        sweep=sweep.name,
        sweep_run=sweep.run_id,
        experiment_id=sweep.experiment_id,
        tracking_uri=snapshot.address,
        questions=_question_counts(data),
    )


def reference_rows(sweep: SweepRun, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return row name -> name of the row its difference is taken to.

    The reference is the sweep's base config, the full model, with the row's own encoder. A
    table without such a row has no differences.
    """
    base = TrialConfig().with_values(dict(sweep.plan["base"]))
    variants = sweep.plan.get("variants", {})
    by_hash = {row["variant"]: row["name"] for row in rows if row.get("variant")}
    found: dict[str, str] = {}
    for row in rows:
        config = variants.get(row.get("variant"), {}).get("config")
        if config is None:
            continue
        try:
            full = base.replace("model.encoder", config["model.encoder"]).hash()
        except ConfigError:
            continue
        if full in by_hash:
            found[row["name"]] = by_hash[full]
    return found


def _wanted(asked: Sequence[str], known: Sequence[str], uri: str) -> list[str]:
    if not asked:
        return [*known, GROUNDING_KEY]
    numbers = {_SPECS[key].number: key for key in known if key in _SPECS} | {
        name: name for name in (*known, GROUNDING_KEY)
    }
    for name in asked:
        if name not in numbers:
            allowed = dict.fromkeys(numbers[key] for key in numbers)
            shown = [_SPECS[key].number if key in _SPECS else key for key in allowed]
            raise ReportError(
                f"table '{name}' is in no sweep of {uri}; there are: {', '.join(shown)}"
                f"{nearest(name, numbers)}"
            )
    return [numbers[name] for name in asked]


def _grounding(
    snapshot: Snapshot,
    lookup: Lookup,
    chosen: Sequence[tuple[SweepRun, Mapping[str, Any]]],
    *,
    required: bool,
) -> list[ResultTable]:
    """Return the table of grounding scores, one row for each trained variant; [] without any."""
    source = chosen[0][0]
    rows: dict[str, Mapping[str, Any]] = {}
    for found, plan in chosen:
        for row in plan["rows"]:
            if row.get("variant") and found.training_version == source.training_version:
                rows.setdefault(row["variant"], row)
    table = build_table(snapshot, lookup, source, {"key": GROUNDING_KEY, "rows": [*rows.values()]})
    scored = any(cell.values for row in table.rows for cell in row.cells.values())
    if not scored and required:
        raise ReportError(
            "no run has grounding scores: only procedural datasets know the true regions"
        )
    return [table] if scored else []


def _question_counts(rows: Sequence[RowData]) -> dict[str, int]:
    first = next((p for row in rows for p in row.predictions.values()), None)
    return first.counts() if first is not None else {}


def _finish_row(
    row: RowData,
    columns: Sequence[str],
    published: Mapping[str, float],
    references: Mapping[str, str],
    rows: Sequence[RowData],
) -> ResultRow:
    name = references.get(row.name)
    reference = None
    if name is not None and name != row.name:
        reference = next(other for other in rows if other.name == name)
    cells = {column: _cell(row, column, published.get(column), reference) for column in columns}
    return ResultRow(
        name=row.name,
        config_hash=row.config_hash,
        runs={seed: run.run_id for seed, run in row.runs.items()},
        cells=cells,
        reference=reference.name if reference else None,
        holes=row.holes,
        published_only=row.config_hash is None and not row.holes,
    )


def _cell(row: RowData, column: str, published: float | None, reference: RowData | None) -> Cell:
    values, holes = row_values(row, column)
    spec = COLUMNS[column]
    if _lacks(row, spec.module):
        holes = row.holes
    complete = bool(values) and not holes
    mean, interval = mean_interval(list(values.values())) if complete else (None, None)
    difference: Difference | None = None
    reasons: tuple[Hole, ...] = ()
    if reference is not None and complete and not spec.baseline:
        difference, reasons = _difference(row, reference, column)
    return Cell(
        column=column,
        values=values,
        mean=mean,
        interval=None if spec.counted else interval,
        published=published,
        difference=difference,
        holes=holes,
        difference_holes=reasons,
        sd=statistics.stdev(values.values()) if complete and len(values) > 1 else None,
    )


def _lacks(row: RowData, switch: str | None) -> bool:
    """Whether a row's variant has the module behind ``switch``, if there is one, turned off."""
    return switch is not None and any(
        run.params.get(switch) == "False" for run in row.runs.values()
    )


def _difference(
    row: RowData, reference: RowData, column: str
) -> tuple[Difference | None, tuple[Hole, ...]]:
    """Return the difference row - reference, or why there is none."""
    values, _ = row_values(row, column)
    full, holes = row_values(reference, column)
    if holes or sorted(values) != sorted(full):
        return None, holes or (Hole(reference.name, None, "has other seeds"),)
    if not COLUMNS[column].types:
        seeds = sorted(values)
        found = seed_difference([values[s] for s in seeds], [full[s] for s in seeds])
        return replace(found, interval=None, p=None) if COLUMNS[column].counted else found, ()
    for other in (row, reference):
        without = [seed for seed in sorted(values) if seed not in other.predictions]
        if without:
            run_id = other.runs[without[0]].run_id
            return None, (Hole(other.name, without[0], "no predictions to pair", run_id),)
    first, second = correctness(row.predictions, column), correctness(reference.predictions, column)
    return compare(first, second), ()


def _correct(rows: Sequence[ResultRow], columns: Sequence[str]) -> list[ResultRow]:
    """Correct every column's p-values for the number of its comparisons (Holm)."""
    cells = [dict(row.cells) for row in rows]
    for column in columns:
        pairs = [(i, cell[column].difference) for i, cell in enumerate(cells)]
        known = [(i, difference) for i, difference in pairs if difference is not None]
        for (i, difference), p, m in zip(
            known,
            holm([difference.p for _, difference in known]),
            holm([difference.mcnemar for _, difference in known]),
            strict=True,
        ):
            changed = replace(difference, p_holm=p, mcnemar_holm=m)
            cells[i][column] = replace(cells[i][column], difference=changed)
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
