"""Figures show the numbers that they are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evidence.tables import collect
from reports.figures import costings, costs, heat_map, learning_curves, save, table_drawings
from tests.reports.runs import SIZES, Sweep, write_sweep


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


def test_several_systems_are_drawn_against_their_size(tmp_path: Path) -> None:
    shifts = {"QA-TIGER": 0.05, "LAVISH": 0.1, "AVST (CLIP)": -0.05}
    snapshot = write_sweep(tmp_path, keys=("beyond",), seeds=(0, 1), shifts=shifts).snapshot()
    [table] = collect(snapshot, tables=["beyond"])
    points = costings(snapshot, table)
    assert {point.name for point in points} == {row.name for row in table.rows}
    assert points[0].name == "LAVISH"
    assert {SIZES["avst"], SIZES["lavish"]} < {point.millions for point in points}

    axis = costs(points, "a test").axes[0]
    labels = [text.get_text() for text in axis.texts]
    assert labels == [f"{point.name}  {point.mean:.1f}" for point in points]
    x, y = (np.asarray(values) for values in axis.lines[0].get_data())
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert y[-1] == points[0].mean

    [drawing] = table_drawings(snapshot, [table], snapshot.sweeps)
    assert drawing.name == "cost-beyond"
    assert "LAVISH" in drawing.alternative


def test_one_system_is_drawn_against_no_size(finished: Sweep) -> None:
    snapshot = finished.snapshot()
    drawn = table_drawings(snapshot, collect(snapshot, tables=["7"]), snapshot.sweeps)
    assert [drawing.name for drawing in drawn] == []
