"""The page, built from one reading of a tracking store."""

from __future__ import annotations

from reports.page import build
from reports.render.templates import page_html
from tests.reports.render.test_formats import Checker
from tests.reports.runs import Sweep


def test_the_page_is_balanced_accessible_and_self_contained(finished: Sweep) -> None:
    page = build(finished.snapshot())
    checker = Checker()
    checker.feed(page_html(page))
    assert checker.faults == []
    assert all(source.startswith("data:") for source in checker.sources)


def test_the_page_holds_plan_tables_claims_figures_trials_and_the_command(
    finished: Sweep,
) -> None:
    html = page_html(build(finished.snapshot()))
    for part in ("plan", "table2", "table7", "lambda", "grounding", "claims", "figures", "trials"):
        assert f'<section id="{part}">' in html
    assert "tass-cli sweep ablations" in html
    assert "procedural world, not MUSIC-AVQA" in html
    assert "environment.torch" in html
    for run in finished.runs.values():
        assert f"runs/{run}" in html


def test_the_page_has_a_figure_for_every_curve(finished: Sweep) -> None:
    names = {drawing.name for drawing in build(finished.snapshot()).drawings}
    assert names == {"curve-table5", "curve-lambda", "heat-map", "learning-curves"}
