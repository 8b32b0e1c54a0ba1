"""The words and numbers that every format shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evidence.decisions import Decision
from evidence.estimates import FIRST, LEVEL, Estimate, Interval
from evidence.power import detectable, floor
from evidence.results import Cell, ResultRow, ResultTable
from evidence.rows import Hole
from evidence.summary import Difference
from evidence.verdicts import read
from search_spaces.columns import COLUMNS
from search_spaces.twins import Twins
from tracking.pages import run_page
from tracking.schema import SEARCH_TABLE

MINUS = "\u2212"
_SEEDS = (5, 10, 20)
"""Numbers of seeds that a row's reach is given for."""
DAGGER = "†"
_BASE = {
    "optimiser.epochs": "epochs",
    "model.width": "width",
    "optimiser.batch_size": "batch",
    "optimiser.learning_rate": "learning rate",
    "data.batching": "batches by",
}
"""Fields of the base config that a reader of any number must know."""


def number(value: float, digits: int = 2) -> str:
    """Return a number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def points(margin: float) -> str:
    """Return a margin with its unit, such as ``1 point`` or ``0.5 points``."""
    return f"{margin:g} point" if margin == 1 else f"{margin:g} points"


def signed(value: float) -> str:
    """Return a difference with its sign; what rounds to zero has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", MINUS)


def half_width(mean: float, interval: Interval | None) -> str:
    """Return `` ±x``, or both bounds where one of them was cut; nothing without an interval."""
    if interval is None:
        return ""
    up, down = interval.high - mean, mean - interval.low
    if abs(up - down) < 0.005:
        return f" ±{up:.2f}"
    return f" [{number(interval.low)}, {number(interval.high)}]"


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


def own(cell: Cell, marks: Mapping[str, str]) -> str:
    """Return a cell's own result: the mean with its interval, or the mark of its hole."""
    if cell.mean is None and not cell.holes:
        return "–"
    if cell.mean is None:
        usable = f" {len(cell.values)} run{'s' if len(cell.values) != 1 else ''}"
        return f"{DAGGER}{mark(cell.holes, marks)}{usable if cell.values else ''}"
    return number(cell.mean) + half_width(cell.mean, cell.interval)


def delta(cell: Cell, marks: Mapping[str, str]) -> str:
    """Return a cell's difference to the reference, starred when it stands; may be empty."""
    if cell.difference is None:
        reasons = cell.difference_holes
        return f"Δ {DAGGER}{mark(reasons, marks)}" if reasons else ""
    found = cell.difference
    star = "*" if found.significant else ""
    return f"Δ {signed(found.mean)}{half_width(found.mean, found.interval)}{star}"


def paper(cell: Cell) -> str:
    """Return the published number, labelled; empty where the paper has none."""
    digits = 1 if cell.column == "params_m" else 2
    return "" if cell.published is None else f"paper {number(cell.published, digits)}"


def small_lines(
    row: ResultRow, columns: Sequence[str], marks: Mapping[str, str]
) -> list[list[str]]:
    """Return what stands below a row's own results: its differences and published numbers."""
    cells = [row.cells[column] for column in columns]
    lines = [[delta(cell, marks) for cell in cells], [paper(cell) for cell in cells]]
    return [line for line in lines if any(line)]


def hole_marks(table: ResultTable) -> dict[str, str]:
    """Return hole text -> its number within the table."""
    others = [
        hole for row in table.rows for cell in row.cells.values() for hole in cell.difference_holes
    ]
    holes = dict.fromkeys(str(hole) for hole in (*table.holes, *others))
    return {text: str(place) for place, text in enumerate(holes, start=1)}


def mark(holes: tuple[Hole, ...], marks: Mapping[str, str]) -> str:
    """Return the numbers of a cell's holes, such as ``1,3``."""
    return ",".join(dict.fromkeys(marks[str(hole)] for hole in holes))


def reach_line(tables: Sequence[ResultTable]) -> str:
    """Return which differences the rows of the tables can find, from the best to the worst."""
    known = [
        value
        for table in tables
        for row in table.rows
        if (cell := row.cells.get("all")) and cell.difference and not cell.difference.identical
        if (value := detectable(cell.difference)) is not None
    ]
    if not known:
        return "Differences can be found from two seeds on."
    return (
        f"A row finds a true difference of {min(known):.1f} to {max(known):.1f} points with 80%; "
        "what is smaller is undecided more often than not."
    )


def shown(columns: Sequence[str]) -> tuple[str, ...]:
    """Return a table's columns as they are shown: all questions first."""
    return tuple(sorted(columns, key=lambda column: column != "all"))


def caption(table: ResultTable) -> str:
    """Return a table's title, such as ``Table 2. Ablation of the modules``."""
    return f"{heading(table.number)}. {table.title}"


def heading(number_or_key: str) -> str:
    """Return ``Table 2`` for a number, ``Table of lambda`` for a key, or ``Search joint``."""
    if number_or_key[:1].isdigit():
        return f"Table {number_or_key}"
    if number_or_key.startswith(SEARCH_TABLE):
        return f"Search {number_or_key.removeprefix(SEARCH_TABLE)}"
    return f"Table of {number_or_key}"


def method(row: ResultRow) -> str:
    """Return a row's name; a rival's with how near it is to the published network."""
    return f"{row.name} ({row.fidelity})" if row.fidelity else row.name


def unit(table: ResultTable) -> str:
    """Return what the numbers of a table are, where its columns have one unit."""
    return "Accuracy in percent." if all(COLUMNS[name].types for name in table.columns) else ""


def notes(table: ResultTable) -> list[str]:
    """Return what must be read with a table: origin, what is in a cell, every hole."""
    questions = sum(table.questions.values())
    further = [f", {count} of {it.replace('-', ' ')}" for it, count in table.further.items()]
    seeds = ", ".join(str(seed) for seed in table.seeds) or "none"
    known = [f"{name} {table.base[key]}" for key, name in _BASE.items() if key in table.base]
    lines = [
        f"Ours: {table.origin}; paper: MUSIC-AVQA. Seeds {seeds}; {questions} test "
        f"questions{''.join(further)}; "
        f"fingerprint {table.fingerprint}, training version {table.training_version}; "
        f"sweep '{table.sweep}', run {table.sweep_run}.",
        f"Base config: {', '.join(known)}.",
        f"Mean over seeds; Δ: paired difference to the full model over the same seeds and "
        f"questions; each ± is the {1 - LEVEL:.0%} interval for new seeds and new questions. "
        f"* stands at {LEVEL:.0%}: on all questions after Holm's correction for the rows, on "
        "other columns only in rows that stand there (Benjamini and Bogomolov).",
    ]
    if len(table.seeds) < FIRST:
        lines.append(
            "One seed: the spread over seeds is unknown, so there are no intervals."
            if len(table.seeds) < 2
            else "Two seeds: intervals, but no verdicts; those need three."
        )
    if table.videos is None and questions:
        lines.append(
            "The predictions do not say which video a question is about: questions "
            "counted as independent."
        )
    if any(
        row.cells["all"].difference and row.cells["all"].difference.unsteady
        for row in table.rows
        if "all" in row.cells
    ):
        lines.append(
            "(unsteady): varies far more over seeds than the other rows; its interval "
            "covers less than stated below ten seeds."
        )
    lines.extend(
        f"{row.name}: {row.fidelity}; {row.differs}." for row in table.rows if row.fidelity
    )
    lines.extend(_one_function(table, found) for found in table.twins)
    if table.note:
        lines.append(f"Published numbers: {table.note}")
    lines.extend(f"{DAGGER}{i} {text}" for text, i in hole_marks(table).items())
    return lines


def _one_function(table: ResultTable, found: Twins) -> str:
    """Return why several rows have the same numbers, and what their published ones say then."""
    said = f"{', '.join(found.rows)}: one function, trained once"
    if found.fields:
        said += f"; {', '.join(found.fields)} changes nothing in it"
    rows = {row.name: row for row in table.rows}
    for column in shown(table.columns):
        published = [rows[name].cells[column].published for name in found.rows]
        known = [value for value in published if value is not None]
        if len(known) == len(published) and len(set(known)) > 1:
            spread = f"{number(min(known))} to {number(max(known))} on {COLUMNS[column].label}"
            return f"{said}. The published rows' spread ({spread}) is then noise between runs."
    return f"{said}."


COMPARISON_HEADER = (
    *("Row", "against", "seeds", "n", "Δ", "95% interval", "p", "p (Holm)", "Verdict"),
    *("Finds with 80%",),
)


def comparisons(table: ResultTable, column: str = "all") -> list[tuple[str, ...]]:
    """Return one line of statistics for each row that is compared to a reference."""
    found = [(row, row.cells[column].difference) for row in table.rows if column in row.cells]
    return [
        _comparison(row, estimate, table.margin) for row, estimate in found if estimate is not None
    ]


def reach(estimate: Estimate) -> str:
    """Return which true differences some numbers of seeds find, such as ``5: 1.8, 10: 1.3``."""
    found = [
        (seeds, detectable(estimate, seeds))
        for seeds in (estimate.seeds, *(n for n in _SEEDS if n > estimate.seeds))
    ]
    known = [f"{seeds} seeds {value:.1f}" for seeds, value in found if value is not None]
    if not known or estimate.identical:
        return "–"
    least = floor(estimate)
    return ", ".join(known) + (f"; at best {least:.1f}" if least >= 0.05 else "")


def _comparison(row: ResultRow, estimate: Estimate, margin: float) -> tuple[str, ...]:
    interval = estimate.interval if estimate.p is not None else None
    remark = " (identical)" if estimate.identical else " (unsteady)" if estimate.unsteady else ""
    return (
        row.name,
        row.reference or "",
        str(estimate.seeds),
        str(estimate.questions),
        signed(estimate.mean) + remark,
        bounds(estimate.interval),
        p_value(estimate.p),
        p_value(estimate.p_adjusted),
        "–" if interval is None else read(interval, margin),
        reach(estimate),
    )


EFFECT_HEADER = ("Effect", "kind", "points", "interval for all", "p for all", "Finds with 80%")


def effects(table: ResultTable) -> list[tuple[str, ...]]:
    """Return one line for each effect of a factorial table."""
    return [
        (
            effect.name,
            effect.kind,
            signed(effect.estimate.mean) + ("*" if effect.estimate.significant else ""),
            bounds(effect.interval),
            p_value(effect.estimate.p_adjusted),
            reach(effect.estimate),
        )
        for effect in table.effects
    ]


def effects_caption(table: ResultTable) -> str:
    """Return the heading of a factorial table's effects."""
    return f"What each module is worth on {COLUMNS['all'].label}, {heading(table.number)}"


AT_TEST_HEADER = (
    *("Row", "", "trained so", "switched at test", "switched minus trained", "95% interval"),
    "p (Holm)",
)


def at_test(table: ResultTable) -> list[tuple[str, ...]]:
    """Return one line for each row that was trained so and switched at test."""
    return [
        (
            it.row,
            "disagree" if it.disagree else "",
            signed(it.trained.mean) + half_width(it.trained.mean, it.trained.interval),
            signed(it.switched.mean) + half_width(it.switched.mean, it.switched.interval),
            signed(it.apart.mean),
            bounds(it.apart.interval),
            p_value(it.apart.p_adjusted),
        )
        for it in table.at_test
    ]


def at_test_caption(table: ResultTable) -> str:
    """Return the heading of the rows in both ways."""
    return (
        f"Δ on {COLUMNS['all'].label} of rows trained so, and of the trained model switched at "
        f"test, {heading(table.number)}"
    )


FLIP_HEADER = (
    *("Row", "changes most", "against", "become right", "become wrong"),
    "differ between two of its seeds",
)


def flips(table: ResultTable) -> list[tuple[str, ...]]:
    """Return one line for each row whose questions change."""
    return [
        (
            it.row,
            "; ".join(
                f"{flip.question_id} ({flip.type}): {flip.before} → {flip.after}, right: "
                f"{flip.answer}"
                for flip in it.most
            ),
            it.reference,
            f"{it.gained:.1f}",
            f"{it.lost:.1f}",
            "–" if it.between_seeds is None else f"{it.between_seeds:.1f}",
        )
        for it in table.flips
    ]


def flips_caption(table: ResultTable) -> str:
    """Return the heading of the questions that change."""
    return f"Questions that change, mean over seeds, {heading(table.number)}"


STANDING_HEADER = ("Row", "Verdict", "seeds", "Δ", "interval", "")


def standings(decision: Decision) -> list[tuple[str, ...]]:
    """Return one line for each row of a sweep that adds seeds until it is decided."""
    lines: list[tuple[str, ...]] = []
    for variant, name in decision.names.items():
        found = decision.standings.get(variant)
        if found is None:
            waiting = f"verdicts need {decision.design.first} seeds"
            lines.append((name, "–", str(decision.seeds[variant]), "–", "–", waiting))
            continue
        interval = bounds(found.interval)
        reason = found.reason or ("goes on" if found.state == "open" else "")
        line = (name, found.finding, str(found.seeds), signed(found.mean), interval, reason)
        lines.append(line)
    return lines


def stand_line(decision: Decision) -> str:
    """Return in one line how far a sweep is that adds seeds until it is decided."""
    states = [standing.state for standing in decision.standings.values()]
    decided = states.count("decided") + states.count("identical")
    given_up = len(states) - decided - states.count("open")
    return (
        f"After {decision.trials} trials: {decided} of {len(states)} rows decided, "
        f"{states.count('open')} open, {given_up} given up"
    )


def standings_notes(decision: Decision) -> list[str]:
    """Return what must be read with the rows of a sweep that adds seeds."""
    design = decision.design
    return [
        f"{decision.trials} trials; as many seeds for every row as the longest has would have "
        f"taken {decision.equal_trials}.",
        f"Looked at after every seed from {design.first} to {design.last}; intervals hold for all "
        f"rows and looks at once ({1 - LEVEL:.0%}), margin {points(design.margin)}. The Δ of a "
        "row that stopped early is too large on average.",
    ]


def difference(found: Difference) -> str:
    """Return a row's difference to its reference in words."""
    where = "" if found.column == "all" else f", {COLUMNS[found.column].label}"
    return (
        f"{heading(found.table)}{where}: {found.row} {signed(found.estimate.mean)} "
        f"{bounds(found.estimate.interval)} against {found.reference}"
    )


def rows_by_table(found: Sequence[Difference]) -> list[str]:
    """Return the rows of each table, such as ``Table 5: τ = 0.005; τ = 0.030``."""
    tables: dict[str, list[str]] = {}
    for item in found:
        tables.setdefault(heading(item.table), []).append(item.row)
    return [f"{table}: {'; '.join(rows)}" for table, rows in tables.items()]


def run_address(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """Return where a run is seen: in the server's pages, or below ``mlflow ui``'s address."""
    server = tracking_uri if tracking_uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{server.rstrip('/')}/{run_page(experiment_id, run_id)}"
