"""The acceptance command's checks keep their bounds, those that are quick with few samples."""

from __future__ import annotations

import pytest

from benchmarks.acceptance import CHECKS
from benchmarks.figures import Report


@pytest.mark.parametrize("name", ["components", "verdicts", "claims", "factorial"])
def test_a_check_keeps_its_bounds(name: str) -> None:
    report = Report()
    CHECKS[name](report, 0.05)
    assert report.figures
    assert [figure for figure in report.figures if not figure.kept] == []


def test_a_figure_out_of_bounds_is_told() -> None:
    report = Report()
    report.most(1, "error", 0.2, 0.05, "R1")
    report.most(1, "error", 0.01, 0.05, "R2")
    assert list(report.lines()) == [("1. error", "0.01 to 0.2", "<= 0.05", "1 of 2")]
