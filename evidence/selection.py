"""Which sweep stands for which table, and which sweeps' rows may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from evidence.sequential import Design
from search_spaces.columns import COLUMNS
from search_spaces.document import Scalar, Sweep, Table
from search_spaces.load import built_in_tables
from search_spaces.plan import planned_document
from tass_core.config import TrialConfig
from tass_core.data.folder.description import SPLITS
from tass_core.errors import ReportError
from tracking import schema
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """A table, and the sweep that stands for it."""

    sweep: SweepRun
    table: Mapping[str, Any]
    """The table as the sweep's plan has it."""

    @property
    def key(self) -> str:
        """The table's key."""
        return str(self.table["key"])

    @property
    def document(self) -> Sweep:
        """The document that the sweep's plan came from."""
        return planned_document(self.sweep.plan)


def choose(snapshot: Snapshot, *, sweep: str | None = None) -> list[Chosen]:
    """Return each table there is with its sweep, in the order of the paper.

    Args:
        snapshot: what a tracking store holds.
        sweep: run id (or a unique beginning of it) or name of one sweep. Without it each table
            comes from the most recent sweep that asked for it, on the most recent dataset.

    Raises:
        ReportError: there is no sweep with a table.
        TrackingError: there is no such sweep.
    """
    sweeps = [snapshot.sweep(sweep)] if sweep else snapshot.readable()
    if not sweeps:
        raise ReportError(
            f"{snapshot.address} holds no sweep; run `tass-cli sweep ablations` first, or name "
            "another store with --tracking-uri"
        )
    planned = [source for source in sweeps if source.plan.get("tables")]
    newest: dict[str, Chosen] = {}
    for source in planned:
        if same_data(source, planned[0]):
            for table in source.plan["tables"]:
                newest.setdefault(table["key"], Chosen(source, table))
    if not newest:
        raise ReportError(
            f"{snapshot.address}: no sweep there plans a table; run a grid sweep first"
        )
    known = [table.key for table in built_in_tables() if table.key in newest]
    return [newest[key] for key in (*known, *sorted(newest.keys() - set(known)))]


def on_every_dataset(snapshot: Snapshot, name: str) -> list[str]:
    """Return the run ids of a sweep on each of its datasets, the earliest first.

    Args:
        snapshot: what a tracking store holds.
        name: run id of one sweep, which then is the only one, or a sweep's name.

    Raises:
        TrackingError: there is no such sweep.
    """
    first = snapshot.sweep(name)
    if first.name != name or len(planned_document(first.plan).datasets) < 2:
        return [first.run_id]
    newest: dict[str, SweepRun] = {}
    for found in snapshot.sweeps:
        if found.name == name and not found.damage:
            newest.setdefault(found.fingerprint, found)
    return [found.run_id for found in sorted(newest.values(), key=lambda found: found.started)]


def documented(chosen: Chosen) -> Table:
    """Return a table as its sweep's document has it; without rows where none describes it.

    What is measured on all questions is also shown for each further test of the dataset.
    """
    found = _described(chosen)
    repeated = [it for it in found.columns if it == "all" or COLUMNS[it].attention]
    further = [f"{split}/{it}" for split in further_tests(chosen.sweep) for it in repeated]
    return replace(found, columns=tuple(dict.fromkeys((*found.columns, *further))))


def further_tests(sweep: SweepRun) -> dict[str, int]:
    """Return how many questions each further test of a sweep's dataset has."""
    splits = sweep.plan.get("dataset", {}).get("splits", {})
    return {name: count for name, count in splits.items() if name not in SPLITS}


def _described(chosen: Chosen) -> Table:
    for table in (*chosen.document.tables, GROUNDING):
        if table.key == chosen.key:
            return table
    number = chosen.table.get("number", chosen.key)
    title = chosen.table.get("title", f"Sweep over {chosen.key}")
    asked = [it.metric.removeprefix("val/") for it in chosen.document.objectives]
    others = [name for name in asked if name in COLUMNS and name not in SWEEP_COLUMNS]
    return Table(chosen.key, number, title, (*SWEEP_COLUMNS, *others), ())


def same_data(one: SweepRun, other: SweepRun) -> bool:
    """Whether two sweeps were run on the same dataset."""
    return (one.dataset, one.fingerprint) == (other.dataset, other.fingerprint)


def designed(plan: Mapping[str, Any]) -> Design | None:
    """Return when a plan looks; None for one whose seeds were fixed beforehand."""
    until = plan.get("until_decided")
    if until is None:
        return None
    return Design(first=int(until["first"]), last=int(until["last"]), margin=float(until["margin"]))


def is_search(sweep: SweepRun) -> bool:
    """Whether a sweep searched a space; it has a table once its best variants are confirmed."""
    tables = sweep.plan.get("tables", ())
    return all(table["key"].startswith(schema.SEARCH_TABLE) for table in tables)


def judged_seeds(sweep: SweepRun) -> tuple[int, ...]:
    """Return the seeds that variants are compared with: not the one that a search chose them by."""
    return sweep.seeds[1:] if is_search(sweep) and len(sweep.seeds) > 1 else sweep.seeds


def base(sweep: SweepRun) -> Mapping[str, Scalar]:
    """Return the sweep's base config, canonical: dotted field -> value."""
    return canonical(sweep.plan["base"])


def canonical(values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return a whole config with the fields that have no effect put back: field -> value."""
    return TrialConfig().with_values(dict(values)).canonical().flat()


def conflict(sweep: SweepRun, other: SweepRun) -> str | None:
    """Return why rows of ``other`` may not be compared with rows of ``sweep``, or None.

    Rows of two sweeps are comparable when these share data, training code and base config:
    otherwise their difference is also that of, say, 2 epochs and 30.
    """
    if sweep.run_id == other.run_id:
        return None
    if not same_data(sweep, other):
        return _conflict(sweep, other, f"data: '{other.dataset}' {other.fingerprint}")
    if sweep.training_version != other.training_version:
        wanted = f"version {other.training_version}, not {sweep.training_version}"
        return _conflict(sweep, other, f"training code: {wanted}")
    ours, theirs = base(sweep), base(other)
    differing = [
        f"{name} {theirs.get(name)}, not {ours.get(name)}"
        for name in {**ours, **theirs}
        if ours.get(name) != theirs.get(name)
    ]
    return _conflict(sweep, other, f"base config: {', '.join(differing)}") if differing else None


def _conflict(sweep: SweepRun, other: SweepRun, what: str) -> str:
    return (
        f"sweep '{other.name}' ({other.run_id[:8]}) and sweep '{sweep.name}' "
        f"({sweep.run_id[:8]}) do not share their {what}"
    )
