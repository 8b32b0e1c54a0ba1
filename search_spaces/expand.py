"""Grids and ablations as tables, and spaces as a dataset allows them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from search_spaces.document import (
    Ablation,
    Axis,
    Choice,
    Component,
    Contrast,
    Grid,
    Knob,
    Row,
    Scalar,
    Settings,
    Sweep,
    Table,
)
from search_spaces.fractions import fraction
from tass_core.errors import ConfigError


def expand(sweep: Sweep, segments: int | None = None) -> Sweep:
    """Return the sweep with every grid and ablation written out as a table, and every row with
    what its system sets.

    Args:
        sweep: the sweep.
        segments: T1, segments of a video in the dataset: values that are to divide it and do
            not are left out. None keeps them all.

    Raises:
        ConfigError: no value of a knob or an axis divides the segments.
    """
    tables = (
        *sweep.tables,
        *(_grid_table(grid, segments) for grid in sweep.grids),
        *(_ablation_table(ablation) for ablation in sweep.ablations),
    )
    return replace(
        sweep,
        tables=tuple(_with_systems(table, sweep.systems) for table in tables),
        grids=(),
        ablations=(),
        systems={},
        space=tuple(_fit(knob, segments) for knob in sweep.space),
    )


def narrow(sweep: Sweep, numbers: Sequence[str]) -> Sweep:
    """Return an expanded sweep with only these tables; with all of them where none is named.

    Args:
        sweep: the sweep.
        numbers: numbers or keys of tables, such as ``2`` or ``table2``.

    Raises:
        ConfigError: the sweep has no table of that number.
    """
    known = {name: table.key for table in sweep.tables for name in (table.number, table.key)}
    for number in numbers:
        if number not in known:
            allowed = ", ".join(table.number for table in sweep.tables) or "none"
            raise ConfigError(
                f"--tables {number}: sweep '{sweep.name}' has no such table; allowed: {allowed}"
            )
    wanted = {known[number] for number in numbers} or set(known.values())
    left_out = set(known.values()) - wanted
    return replace(
        sweep,
        tables=tuple(table for table in sweep.tables if table.key in wanted),
        claims=tuple(claim for claim in sweep.claims if not about(claim.contrasts) & left_out),
        slips=tuple(slip for slip in sweep.slips if not about([slip.contrast]) & left_out),
    )


def active(knob: Knob, chosen: Mapping[str, Scalar]) -> bool:
    """Whether a knob exists, given the values chosen so far."""
    return all(chosen.get(name) == value for name, value in knob.needs.items())


def locate(space: Sequence[Knob], flat: Mapping[str, Scalar]) -> dict[str, Scalar] | None:
    """Return the values of a config's active knobs, or None when the space does not hold them.

    Args:
        space: the knobs.
        flat: dotted field -> value of the whole config.
    """
    point: dict[str, Scalar] = {}
    for knob in space:
        if not active(knob, point):
            continue
        value = flat.get(knob.field)
        if value is None or not _holds(knob, value):
            return None
        point[knob.field] = value
    return point


def about(contrasts: Iterable[Contrast]) -> set[str]:
    """Return the keys of the tables that contrasts are about."""
    return {term.table for contrast in contrasts for term in contrast.terms}


def _holds(knob: Knob, value: Scalar) -> bool:
    if isinstance(knob, Choice):
        return value in knob.values
    return not isinstance(value, str) and knob.low <= value <= knob.high


def _fit(knob: Knob, segments: int | None) -> Knob:
    return replace(knob, values=_fitting(knob, segments)) if isinstance(knob, Choice) else knob


def _fitting(part: Choice | Axis, segments: int | None) -> tuple[Scalar, ...]:
    if part.divides is None or segments is None:
        return part.values
    found = tuple(v for v in part.values if isinstance(v, int) and v > 0 and segments % v == 0)
    if not found:
        raise ConfigError(
            f"{part.field}: none of {', '.join(map(str, part.values))} divides the dataset's "
            f"{segments} segments"
        )
    return found


def _with_systems(table: Table, systems: Mapping[str, Settings]) -> Table:
    rows = (
        row if row.set is None else replace(row, set=_completed(row.set, systems))
        for row in table.rows
    )
    return replace(table, rows=tuple(rows)) if systems else table


def _completed(changes: Settings, systems: Mapping[str, Settings]) -> Settings:
    return {**systems.get(str(changes.get("system")), {}), **changes}


def _grid_table(grid: Grid, segments: int | None) -> Table:
    choices = [[(axis, value) for value in _fitting(axis, segments)] for axis in grid.axes]
    rows = tuple(
        Row(
            ", ".join(f"{axis.label} = {value}" for axis, value in chosen),
            {axis.field: value for axis, value in chosen},
        )
        for chosen in itertools.product(*choices)
    )
    return Table(grid.key, grid.key, grid.title, grid.columns, rows)


def _ablation_table(ablation: Ablation) -> Table:
    rows = []
    for name, kept in _combinations(ablation):
        settings = dict(ablation.set)
        for component in ablation.components:
            settings |= component.on if component.name in kept else component.off
        rows.append(Row(name, settings))
    return Table(ablation.key, ablation.key, ablation.title, ablation.columns, tuple(rows))


def _combinations(ablation: Ablation) -> Iterator[tuple[str, Collection[str]]]:
    """Yield the name of each row and the components that it keeps."""
    parts = ablation.components
    names = [part.name for part in parts]
    if ablation.design == "factorial":
        for switches in fraction(len(parts), ablation.fraction):
            kept = [name for name, on in zip(names, switches, strict=True) if on]
            if _standing(parts, kept) == kept:
                yield " + ".join(kept) or "none", kept
    elif ablation.design == "leave-one-out":
        yield "all", names
        for name in names:
            yield f"w/o {name}", _standing(parts, [other for other in names if other != name])
    else:
        yield "none", []
        for part in parts:
            kept = _needed(parts, part)
            yield " + ".join(kept), kept


def _standing(parts: Sequence[Component], kept: Collection[str]) -> list[str]:
    """Return those of the kept components that have all they need."""
    found: list[str] = []
    for part in parts:
        if part.name in kept and set(part.needs) <= set(found):
            found.append(part.name)
    return found


def _needed(parts: Sequence[Component], part: Component) -> list[str]:
    """Return a component and all that it needs, in the order in which they are named."""
    wanted = {part.name}
    for other in reversed(parts):
        if other.name in wanted:
            wanted |= set(other.needs)
    return [other.name for other in parts if other.name in wanted]
