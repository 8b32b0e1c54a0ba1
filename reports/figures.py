"""Figures of tables: curves, learning curves, a heat map, and accuracy against cost.

Every function returns a ``matplotlib`` figure that no global state knows; ``save`` writes it.
Figures of ours carry the dataset's origin in their title.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from evidence.estimates import Interval
from evidence.results import ResultTable
from reports.render import words
from search_spaces.columns import COLUMNS
from tass_core.config import DEFAULT_SYSTEM
from tracking import schema
from tracking.reader import Snapshot, SweepRun

CURVES: Mapping[str, tuple[str, str]] = {
    "table5": ("model.tau", "τ"),
    "lambda": ("loss.lambda_s", "λ"),
    "t2": ("data.t2", "T2"),
}
"""Table key -> (config field on the x axis, its name)."""

_OURS, _PAPER = "#0b5394", "#b45f06"
_PALETTE = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#134f5c", "#7f6000", "#666666", "#cc0000")
_MARKERS = "osD^vP*X"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure with the words that stand for it."""

    name: str
    figure: Figure
    caption: str
    alternative: str
    """What the figure says, for those who cannot see it."""

    @property
    def address(self) -> str:
        """The figure itself, as a ``data:`` URI."""
        out = io.BytesIO()
        self.figure.savefig(out, format="svg", metadata={"Date": None})
        return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def table_drawings(
    snapshot: Snapshot, tables: Sequence[ResultTable], sweeps: Sequence[SweepRun]
) -> Iterator[Drawing]:
    """Yield the drawings of tables: their curves, of the ablation what it looks like, and of
    several systems what they cost."""
    variants = {k: v["config"] for s in sweeps for k, v in s.plan.get("variants", {}).items()}
    for table in tables:
        if table.key in CURVES:
            yield _draw_curve(table, variants)
        if table.key == "table2":
            yield _draw_heat_map(table)
            yield _draw_learning_curves(snapshot, table)
        trained = [variants[row.config_hash] for row in table.rows if row.config_hash in variants]
        if len({config.get("system", DEFAULT_SYSTEM) for config in trained}) > 1:
            yield from _draw_costs(snapshot, table)


def draw_forest(tables: Sequence[ResultTable]) -> Drawing | None:
    """Return the picture of every row's difference to the full model; None without any."""
    lines = [line for line in forest_lines(tables) if line.interval is not None]
    if not lines:
        return None
    said = "; ".join(
        f"{line.name} {words.signed(line.mean)} {words.bounds(line.interval)}" for line in lines
    )
    return Drawing(
        "forest",
        forest(lines, tables[0].origin, tables[0].margin),
        f"Paired differences to the full model on all questions with 95% intervals "
        f"({tables[0].origin}); squares: the paper's differences on MUSIC-AVQA, one run to a row. "
        "Grey: closer than the margin.",
        f"Forest plot of differences to the full model: {said}.",
    )


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as ``name.png`` and ``name.svg`` into ``folder``; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("png", "svg")]
    for path in paths:
        # no date and a fixed salt: the same results draw the same bytes
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)
    return paths


class ForestLine(NamedTuple):
    """One row of a forest plot."""

    name: str
    mean: float
    interval: Interval | None
    published: float | None
    """The paper's difference."""


def forest_lines(tables: Sequence[ResultTable]) -> list[ForestLine]:
    """Return every trained row's difference on all questions, each variant once."""
    found: dict[str | None, ForestLine] = {}
    for table in tables:
        rows = {row.name: row for row in table.rows if "all" in row.cells}
        for row in rows.values():
            cell = row.cells["all"]
            if cell.difference is None or row.reference is None:
                continue
            full = rows[row.reference].cells["all"].published
            known = cell.published is not None and full is not None
            paper = (cell.published or 0.0) - (full or 0.0) if known else None
            line = ForestLine(row.name, cell.difference.mean, cell.difference.interval, paper)
            found.setdefault(row.config_hash, line)
    return list(found.values())


def forest(lines: Sequence[ForestLine], origin: str, margin: float) -> Figure:
    """Draw differences with their intervals, one below the other, the paper's beside them."""
    figure = Figure(figsize=(8.0, 1.2 + 0.27 * len(lines)), layout="constrained")
    axis = figure.subplots()
    places = range(len(lines))
    axis.axvspan(-margin, margin, color="#e8e8e8", linewidth=0)
    axis.axvline(0.0, color="#444444", linewidth=0.8)
    reach = [
        max(line.mean - line.interval.low, line.interval.high - line.mean) if line.interval else 0.0
        for line in lines
    ]
    axis.errorbar(
        *([line.mean for line in lines], places),
        xerr=reach,
        fmt="o",
        color=_OURS,
        capsize=3,
        markersize=5,
        label=f"ours ({origin})",
    )
    paper = [
        (line.published, place) for place, line in enumerate(lines) if line.published is not None
    ]
    if paper:
        x, y = zip(*paper, strict=True)
        axis.plot(x, y, "s", color=_PAPER, markersize=4, label="paper (MUSIC-AVQA)")
    axis.set_yticks(places, [line.name for line in lines], fontsize=8)
    axis.invert_yaxis()
    axis.margins(y=0.02)
    _label(axis, "Difference to the full model, All (points)", "")
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8
    )
    return figure


def curve(table: ResultTable, values: Mapping[str, float], name: str) -> Figure:
    """Draw accuracy over a setting: ours with intervals, and the paper's where it has any.

    Args:
        table: a table whose rows are values of one setting.
        values: row name -> value on the x axis.
        name: the setting's name.
    """
    rows = sorted((row for row in table.rows if row.name in values), key=lambda r: values[r.name])
    published = [row for row in rows if row.cells["all"].published is not None]
    figure = Figure(figsize=(9.0 if published else 5.0, 3.6), layout="constrained")
    axes = figure.subplots(1, 2 if published else 1, squeeze=False)[0]
    ours = [row for row in rows if row.cells["all"].mean is not None]
    cells = [row.cells["all"] for row in ours]
    spread = [(c.interval.high - c.interval.low) / 2 if c.interval else 0.0 for c in cells]
    x = [values[row.name] for row in ours]
    axes[0].errorbar(x, [c.mean or 0.0 for c in cells], spread, color=_OURS, marker="o", capsize=3)
    axes[0].set_title(f"Ours ({table.origin})", fontsize=9)
    if published:
        x = [values[row.name] for row in published]
        y = [row.cells["all"].published or 0.0 for row in published]
        axes[1].plot(x, y, color=_PAPER, marker="s", linestyle="--")
        axes[1].set_title("Paper (MUSIC-AVQA, one run to a point)", fontsize=9)
    for axis in axes:
        _label(axis, name, "Accuracy, All (%)")
    return figure


def learning_curves(
    histories: Mapping[str, Sequence[Sequence[tuple[int, float]]]], origin: str
) -> Figure:
    """Draw validation accuracy by epoch: a line for each variant, a band for its seeds.

    Args:
        histories: variant -> seeds -> (epoch, accuracy) points.
        origin: what the numbers are about.
    """
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axis = figure.subplots()
    for place, (name, seeds) in enumerate(histories.items()):
        epochs, low, mean, high = _band(seeds)
        colour = _PALETTE[place % len(_PALETTE)]
        marker = _MARKERS[place % len(_MARKERS)]
        axis.plot(epochs, mean, color=colour, marker=marker, markersize=4, label=name)
        axis.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    axis.set_title(
        f"Validation accuracy by epoch; bands: lowest to highest seed ({origin})", fontsize=9
    )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _label(axis, "Epoch", "Accuracy, All (%)")
    axis.legend(fontsize=8, ncols=2)
    return figure


def heat_map(table: ResultTable) -> Figure:
    """Draw accuracy by question type and variant, with every number written in its field."""
    columns = [column for column in table.columns if COLUMNS[column].types]
    rows = [row for row in table.rows if any(row.cells[c].mean is not None for c in columns)]
    means = [[row.cells[column].mean for column in columns] for row in rows]
    values = np.array([[np.nan if v is None else v for v in line] for line in means], dtype=float)
    size = (2.2 + 0.75 * len(columns), 1.9 + 0.42 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(values, cmap="viridis", aspect="auto")
    labels = [COLUMNS[column].label for column in columns]
    axis.set_xticks(range(len(columns)), labels, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2 if values.size else 0.0
    for y, x in np.ndindex(*values.shape):
        colour = "black" if values[y, x] > middle else "white"
        text = "–" if np.isnan(values[y, x]) else f"{values[y, x]:.1f}"
        axis.text(x, y, text, ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=axis, label="Accuracy (%)")
    axis.set_title(f"Accuracy by question type and variant ({table.origin})", fontsize=9)
    return figure


class Costing(NamedTuple):
    """One row of a plot of accuracy against cost."""

    name: str
    millions: float
    """Trainable parameters."""
    mean: float
    interval: Interval | None


def costings(snapshot: Snapshot, table: ResultTable) -> list[Costing]:
    """Return a table's trained rows without holes, the most accurate first."""
    runs = {run.run_id: run for group in snapshot.trials.values() for run in group}
    found = []
    for row in table.rows:
        sizes = [runs[run].metrics.get(schema.PARAMETERS) for run in row.runs.values()]
        cell = row.cells.get("all")
        if cell is not None and cell.mean is not None and sizes and sizes[0] is not None:
            found.append(Costing(row.name, sizes[0], cell.mean, cell.interval))
    return sorted(found, key=lambda point: -point.mean)


def costs(points: Sequence[Costing], origin: str) -> Figure:
    """Draw accuracy over trainable parameters, and a line along the best for their size.

    Args:
        points: the most accurate first.
        origin: what the numbers are about.
    """
    figure = Figure(figsize=(8.0, max(3.6, 1.2 + 0.21 * len(points))), layout="constrained")
    axis = figure.subplots()
    x, y = [point.millions for point in points], [point.mean for point in points]
    reach = [0.0 if p.interval is None else (p.interval.high - p.interval.low) / 2 for p in points]
    order = np.argsort(x, kind="stable")
    best = np.maximum.accumulate(np.array(y)[order])
    axis.step(np.array(x)[order], best, where="post", color=_PAPER, linewidth=1.0, zorder=1)
    axis.errorbar(x, y, reach, fmt="o", color=_OURS, capsize=3, markersize=5, zorder=3)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    heights = np.linspace(0.97, 0.03, len(points)) if len(points) > 1 else [0.5]
    for point, height in zip(points, heights, strict=True):
        axis.annotate(
            f"{point.name}  {point.mean:.1f}",
            (point.millions, point.mean),
            xytext=(1.04, height),
            textcoords="axes fraction",
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6},
        )
    _label(axis, "Trainable parameters (millions)", "Accuracy, All (%)")
    axis.set_title(f"Accuracy against size ({origin})", fontsize=9)
    return figure


def _draw_costs(snapshot: Snapshot, table: ResultTable) -> Iterator[Drawing]:
    points = costings(snapshot, table)
    if len(points) < 2:
        return
    said = "; ".join(f"{p.name} {p.mean:.1f} with {p.millions:.2f} M" for p in points)
    yield Drawing(
        f"cost-{table.key}",
        costs(points, table.origin),
        f"Accuracy over trainable parameters, mean of seeds with 95% intervals ({table.origin}). "
        "The line goes along the rows that no smaller one reaches.",
        f"Scatter plot of {words.heading(table.number)}: {said}.",
    )


def _draw_curve(table: ResultTable, variants: Mapping[str, Mapping[str, Any]]) -> Drawing:
    field, name = CURVES[table.key]
    values = {
        row.name: float(variants[row.config_hash][field])
        for row in table.rows
        if row.config_hash is not None and row.config_hash in variants
    }
    marks = words.hole_marks(table)
    said = "; ".join(f"{row.name} {words.own(row.cells['all'], marks)}" for row in table.rows)
    return Drawing(
        f"curve-{table.key}",
        curve(table, values, name),
        f"Accuracy over {name}, mean of seeds with 95% intervals ({table.origin}); the paper's "
        "curve, where it has one, is on MUSIC-AVQA.",
        f"Line chart of accuracy over {name}: {said}.",
    )


def _draw_heat_map(table: ResultTable) -> Drawing:
    known = [(row.name, row.cells["all"].mean) for row in table.rows]
    said = "; ".join(f"{name} {mean:.1f}" for name, mean in known if mean is not None)
    return Drawing(
        "heat-map",
        heat_map(table),
        f"Accuracy by question type and variant ({table.origin}).",
        f"Heat map of {words.heading(table.number)}; accuracy on all questions: {said}. "
        "Every number stands in the table itself.",
    )


def _draw_learning_curves(snapshot: Snapshot, table: ResultTable) -> Drawing:
    histories = {
        row.name: [snapshot.history(run, schema.VALIDATION) for run in row.runs.values()]
        for row in table.rows
        if row.runs
    }
    last = {
        name: sum(points[-1][1] for points in seeds if points) / max(len(seeds), 1)
        for name, seeds in histories.items()
    }
    said = "; ".join(f"{name} {value:.1f}" for name, value in last.items())
    return Drawing(
        "learning-curves",
        learning_curves(histories, table.origin),
        f"Validation accuracy by epoch ({table.origin}).",
        f"Learning curves; accuracy after the last epoch: {said}.",
    )


def _band(
    seeds: Sequence[Sequence[tuple[int, float]]],
) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return epochs with the lowest, mean and highest value of the seeds that reached them."""
    by_epoch: dict[int, list[float]] = {}
    for points in seeds:
        for epoch, value in points:
            by_epoch.setdefault(epoch, []).append(value)
    epochs = sorted(by_epoch)
    found = [by_epoch[epoch] for epoch in epochs]
    means = [sum(values) / len(values) for values in found]
    return epochs, [min(values) for values in found], means, [max(values) for values in found]


def _label(axis: Axes, x: str, y: str) -> None:
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
