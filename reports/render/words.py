"""The words and numbers that every format shares."""

from __future__ import annotations

from collections.abc import Mapping

from evidence.results import Cell, Hole, ResultRow, ResultTable
from evidence.variance import LEVEL, Difference, Interval

MINUS = "\u2212"
DAGGER = "†"


def number(value: float, digits: int = 2) -> str:
    """Return a number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Return a difference with its sign; what rounds to zero has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", MINUS)


def half_width(interval: Interval | None) -> str:
    """Return `` ±x`` for a symmetric interval, nothing where there is none."""
    return "" if interval is None else f" ±{(interval.high - interval.low) / 2:.2f}"


def bounds(interval: Interval | None) -> str:
    """Return ``[low, high]``, or a dash."""
    if interval is None:
        return "–"
    return f"[{signed(interval.low)}, {signed(interval.high)}]"


def p_value(value: float | None) -> str:
    """Return a p-value to three digits, or a dash."""
    if value is None:
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def significant(difference: Difference | None) -> bool:
    """Whether a difference stands after Holm's correction."""
    return (
        difference is not None and difference.p_holm is not None and (difference.p_holm < 1 - LEVEL)
    )


def own(cell: Cell, marks: Mapping[str, str]) -> str:
    """Return a cell's own result: the mean with its interval, or the mark of its hole."""
    if cell.mean is None and not cell.holes:
        return "–"
    if cell.mean is None:
        usable = f" {len(cell.values)} run{'s' if len(cell.values) != 1 else ''}"
        return f"{DAGGER}{mark(cell.holes, marks)}{usable if cell.values else ''}"
    return number(cell.mean) + half_width(cell.interval)


def delta(cell: Cell, marks: Mapping[str, str]) -> str:
    """Return a cell's difference to the reference, starred when it stands; may be empty."""
    if cell.difference is None:
        reasons = cell.difference_holes
        return f"Δ {DAGGER}{mark(reasons, marks)}" if reasons else ""
    star = "*" if significant(cell.difference) else ""
    return f"Δ {signed(cell.difference.mean)}{half_width(cell.difference.interval)}{star}"


def paper(cell: Cell) -> str:
    """Return the published number, labelled; empty where the paper has none."""
    return "" if cell.published is None else f"paper {number(cell.published, _digits(cell))}"


def hole_marks(table: ResultTable) -> dict[str, str]:
    """Return hole text -> its number within the table."""
    holes = [str(hole) for hole in table.holes]
    others = [
        str(hole)
        for row in table.rows
        for cell in row.cells.values()
        for hole in cell.difference_holes
    ]
    return {text: str(i + 1) for i, text in enumerate(dict.fromkeys([*holes, *others]))}


def mark(holes: tuple[Hole, ...], marks: Mapping[str, str]) -> str:
    """Return the numbers of a cell's holes, such as ``1,3``."""
    return ",".join(dict.fromkeys(marks[str(hole)] for hole in holes))


def caption(table: ResultTable) -> str:
    """Return a table's title, such as ``Table 2. Ablation of the modules``."""
    return f"{heading(table.number)}. {table.title}"


def heading(number_or_key: str) -> str:
    """Return ``Table 2`` for a number and ``Table of lambda`` for a key."""
    if number_or_key[:1].isdigit():
        return f"Table {number_or_key}"
    return f"Table of {number_or_key}"


def notes(table: ResultTable) -> list[str]:
    """Return what must be read with a table: origin, what is in a cell, every hole."""
    questions = sum(table.questions.values())
    seeds = ", ".join(str(seed) for seed in table.seeds) or "none"
    lines = [
        f"Ours: {table.origin}; paper: MUSIC-AVQA. Seeds {seeds}; {questions} test questions; "
        f"fingerprint {table.fingerprint}, training version {table.training_version}; "
        f"sweep '{table.sweep}', run {table.sweep_run}.",
        f"Mean over seeds ±{LEVEL:.0%} interval (Student's t); Δ: paired difference to the full "
        "model over the same seeds and questions with its interval; * significant at "
        f"{1 - LEVEL:.0%} after Holm's correction for the rows of the column.",
    ]
    if len(table.seeds) < 2:
        lines.append("One seed: the spread over seeds is unknown, so there are no intervals.")
    lines.extend(f"{DAGGER}{i} {text}" for text, i in hole_marks(table).items())
    return lines


COMPARISON_HEADER = (
    *("Row", "against", "seeds", "n", "Δ", "95% interval"),
    *("bootstrap 95%", "p", "p (Holm)", "McNemar p", "McNemar p (Holm)"),
)


def comparison_lines(table: ResultTable, column: str = "all") -> list[tuple[str, ...]]:
    """Return one line of statistics for each row that is compared to a reference."""
    lines = []
    for row in table.rows:
        cell = row.cells.get(column)
        if cell is not None and cell.difference is not None:
            lines.append(_comparison(row, cell.difference))
    return lines


def _comparison(row: ResultRow, difference: Difference) -> tuple[str, ...]:
    return (
        row.name,
        row.reference or "",
        str(difference.seeds),
        str(difference.questions),
        signed(difference.mean) + (" (identical)" if difference.identical else ""),
        bounds(difference.interval),
        bounds(difference.bootstrap),
        p_value(difference.p),
        p_value(difference.p_holm),
        p_value(difference.mcnemar),
        p_value(difference.mcnemar_holm),
    )


def _digits(cell: Cell) -> int:
    return 1 if cell.column == "params_m" else 2
