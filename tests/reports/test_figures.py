"""Figures show the numbers that they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evidence.tables import collect
from reports.figures import heat_map, learning_curves, save
from tests.reports.runs import Sweep


def test_the_heat_map_writes_every_number(finished: Sweep) -> None:
    [table] = collect(finished.snapshot(), tables=["2"])
    axis = heat_map(table).axes[0]
    written = {text.get_text() for text in axis.texts}
    assert {f"{row.cells['all'].mean:.1f}" for row in table.rows} <= written


def test_figures_are_the_same_bytes_for_the_same_results(finished: Sweep, tmp_path: Path) -> None:
    [table] = collect(finished.snapshot(), tables=["2"])
    first, second = (save(heat_map(table), tmp_path / name, "map") for name in "ab")
    assert first[0].read_bytes() == second[0].read_bytes()
    assert {path.suffix for path in first} == {".png", ".svg"}


def test_learning_curves_average_the_seeds_that_reached_an_epoch() -> None:
    figure = learning_curves({"TASS": [[(1, 50.0), (2, 60.0)], [(1, 54.0)]]}, "a test")
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_ydata()).tolist() == [52.0, 60.0]
