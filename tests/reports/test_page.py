"""The page, built from one reading of a tracking store."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from evidence.tables import collect
from reports.figures import forest_lines
from reports.page import build
from reports.render import words
from reports.render.methods import methods
from reports.render.templates import page_html
from tass_core import TRAINING_VERSION
from tests.reports.render.test_formats import Checker
from tests.reports.runs import Sweep, write_sweep


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


def test_a_variant_lists_what_it_changes_and_nothing_else(finished: Sweep) -> None:
    found = {variant.name: variant.changes for variant in build(finished.snapshot()).variants}
    assert found["TASS"] == "the base config"
    assert found["w/o JTG"].split(", ")[0] == "model.temporal_grounding=False"
    assert found["τ = 0.030"] == "model.tau=0.03"


def test_every_trial_is_listed_once(finished: Sweep) -> None:
    listed = [run.run_id for v in build(finished.snapshot()).variants for run in v.runs]
    assert sorted(listed) == sorted(finished.runs.values())


def test_the_page_belongs_to_the_sweep_with_most_of_its_tables(tmp_path: Path) -> None:
    first = write_sweep(tmp_path, keys=("table2", "table4", "table5"), seeds=(0,))
    later = write_sweep(tmp_path, keys=("table5",), seeds=(0,), name="tau")
    page = build(later.snapshot())
    assert page.sweep.run_id == first.parent
    assert [plan["Sweep"] for plan in page.plans] == ["ablations (finished)", "tau (finished)"]


def test_the_first_screen_says_what_was_found(finished: Sweep) -> None:
    page = build(finished.snapshot())
    html = page_html(page)
    first = html[: html.index('<nav aria-label="Contents">')]
    assert f"Of {len(page.claims.results)} claims: " in page.finding
    assert "w/o JTG" in page.finding
    assert page.finding in unescape(first)
    for result in page.claims.results:
        assert result.claim.sentence in unescape(first)
    assert page.forest is not None
    assert page.forest.alternative in unescape(first)
    assert "finds a true difference of" in first
    assert page.cost in first


def test_the_forest_plot_has_every_variant_once_with_the_papers_difference(
    finished: Sweep,
) -> None:
    lines = {line.name: line for line in forest_lines(collect(finished.snapshot()))}
    assert lines["w/o JTG"].published == pytest.approx(73.64 - 74.98)
    assert lines["λ = 0.25"].published is None
    assert "τ = 0.025" not in lines
    assert all(line.interval is not None for line in lines.values())


def test_all_questions_stand_first_in_every_table(finished: Sweep) -> None:
    for table in collect(finished.snapshot()):
        shown = words.shown(table.columns)
        assert set(shown) == set(table.columns)
        assert shown[0] == ("all" if "all" in table.columns else table.columns[0])


def test_the_page_carries_its_numbers_as_files_and_a_methods_paragraph(finished: Sweep) -> None:
    page = build(finished.snapshot())
    html = page_html(page)
    saved = dict(re.findall(r'<a download="([\w.]+)" href="data:[\w/]+;base64,([\w+/=]+)"', html))
    assert set(saved) == {"tables.csv", "tables.json", "claims.json"}
    tables = json.loads(base64.b64decode(saved["tables.json"]))["tables"]
    assert [table["key"] for table in tables] == [table.key for table in page.tables]
    assert base64.b64decode(saved["tables.csv"]).decode() == page.downloads["tables.csv"]
    assert page.methods in unescape(html)
    for fact in ("the 3 seeds 0, 1, 2", "for 3 epochs", "width 64", f"version {TRAINING_VERSION}"):
        assert fact in page.methods


def test_the_methods_of_a_sweep_that_adds_seeds_name_its_boundary(finished: Sweep) -> None:
    page = build(finished.snapshot())
    until = {"until_decided": {"first": 3, "last": 20, "margin": 1.0}}
    sweep = replace(page.sweep, plan={**page.sweep.plan, **until})
    said = methods(sweep, page.tables)
    assert "with 3 to 20 seeds" in said
    assert "group-sequential boundary" in said
