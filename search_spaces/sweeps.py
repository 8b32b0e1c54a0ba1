"""Every sweep by name: which tables it fills, and which space its search explores."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.spaces import SPACES, Scalar, Space
from search_spaces.tables import TABLES, Row, Table
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError, nearest

AVERAGES = ("a_avg", "v_avg", "av_avg", "all")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A set of trials somebody may ask for by name."""

    name: str
    purpose: str
    tables: tuple[Table, ...] = ()
    """What a grid of it fills; empty for a sweep that only searches."""
    space: Space | None = None
    """What ``--search optuna`` explores; None for a sweep that only enumerates."""


def _grid(key: str, title: str, field: str, label: str, values: Sequence[Scalar]) -> Table:
    rows = tuple(Row(f"{label} = {value}", {field: value}, {}) for value in values)
    return Table(key=key, number=key, title=title, columns=AVERAGES, rows=rows)


def _modules() -> Table:
    """Return all combinations of the modules of Table 2 that differ as functions."""
    switches: Mapping[str, tuple[str, Scalar, Scalar]] = {
        "TSG+": ("model.spatial_grounding", True, False),
        "T-A": ("model.target_aware", True, False),
        "L_s": ("loss.match", True, False),
        "JTG": ("model.temporal_grounding", True, False),
        "L_cms": ("loss.cms", "js", "none"),
    }
    rows: dict[str, Row] = {}
    for choice in itertools.product((True, False), repeat=len(switches)):
        overrides: dict[str, Scalar] = {
            field: on if chosen else off
            for chosen, (field, on, off) in zip(choice, switches.values(), strict=True)
        }
        overrides |= {"model.merge": "auto", "model.structure": "single"}
        kept = [name for name, chosen in zip(switches, choice, strict=True) if chosen]
        address = TrialConfig().with_values(overrides).hash()
        rows[address] = Row(" + ".join(kept) or "none", overrides, {})
    return Table(
        key="modules",
        number="modules",
        title="Factorial of the modules",
        columns=AVERAGES,
        rows=tuple(rows.values()),
    )


_BY_KEY = {table.key: table for table in TABLES}

_LAMBDA = _grid("lambda", "Impact of λ", "loss.lambda_s", "λ", (0.0, 0.1, 0.25, 0.5, 1.0, 2.0))
_T2 = _grid(
    "t2",
    "Impact of T2 (segments pooled into one)",
    "data.t2",
    "T2",
    (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30),
)

_ALL = (
    Sweep("ablations", "Every row of Tables 1 to 7 that is TASS.", TABLES),
    Sweep("tau", "The threshold τ: Table 5's grid.", (_BY_KEY["table5"],), SPACES["tau"]),
    Sweep("lambda", "The weight λ of L_s.", (_LAMBDA,), SPACES["lambda"]),
    Sweep("t2", "The pre-processing's T2, over the divisors of T1.", (_T2,), SPACES["t2"]),
    Sweep(
        "ordering",
        "The single stream's pattern: Table 6's rows.",
        (_BY_KEY["table6"],),
        SPACES["ordering"],
    ),
    Sweep(
        "modules",
        "The factorial over TSG+, T-A, L_s, JTG and L_cms.",
        (_modules(),),
        SPACES["modules"],
    ),
    Sweep("joint", "A search over everything at once.", space=SPACES["joint"]),
)

SWEEPS: Mapping[str, Sweep] = {sweep.name: sweep for sweep in _ALL}


def find_sweep(name: str) -> Sweep:
    """Return a sweep by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in SWEEPS:
        raise ConfigError(
            f"sweep '{name}' is not one of {', '.join(SWEEPS)}{nearest(name, SWEEPS)}"
        )
    return SWEEPS[name]


def choose_tables(sweep: Sweep, numbers: Sequence[str], segments: int) -> tuple[Table, ...]:
    """Return the sweep's tables, narrowed to ``numbers`` when there are any.

    Rows whose T2 does not divide a video's segments are left out.

    Args:
        sweep: the sweep.
        numbers: numbers or keys of tables, such as ``2`` or ``table2``; empty means all.
        segments: T1, segments of a video in the dataset.

    Raises:
        ConfigError: the sweep has no table of that number.
    """
    known = {name: table for table in sweep.tables for name in (table.number, table.key)}
    for number in numbers:
        if number not in known:
            allowed = ", ".join(table.number for table in sweep.tables) or "none"
            raise ConfigError(
                f"--tables {number}: sweep '{sweep.name}' has no such table; allowed: {allowed}"
            )
    wanted = {known[number].key for number in numbers} or {table.key for table in sweep.tables}
    return tuple(_fit(table, segments) for table in sweep.tables if table.key in wanted)


def _fit(table: Table, segments: int) -> Table:
    def fits(row: Row) -> bool:
        t2 = (row.overrides or {}).get("data.t2", 1)
        return isinstance(t2, int) and segments % t2 == 0

    return dataclasses.replace(table, rows=tuple(row for row in table.rows if fits(row)))
