"""Every format says the same things, and none can be broken by a name."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest
from mlflow import MlflowClient
from rich.console import Console

from evidence.tables import collect
from reports.render import FORMATS, render
from reports.render.latex import escape
from reports.render.terminal import show
from tass_core.errors import ReportError
from tests.reports.runs import Sweep

VOID = {"meta", "link", "br", "img", "hr"}


class Checker(HTMLParser):
    """Collects unbalanced elements, links out of the page, and header cells without scope."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.faults: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "th" and "scope" not in values:
            self.faults.append("th without scope")
        if tag == "img" and not values.get("alt"):
            self.faults.append("img without alt")
        self.sources += [values[k] or "" for k in ("src",) if k in values]
        if tag == "link":
            self.sources.append(values.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"unbalanced {tag}")


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_carries_the_mean_the_paper_and_the_origin(finished: Sweep, name: str) -> None:
    tables = collect(finished.uri, tables=["2"])
    mean = next(row for row in tables[0].rows if row.name == "w/o JTG").cells["all"].mean
    text = render(tables, name)
    assert str(mean)[:4] in text
    assert "73.64" in text
    assert "procedural world, not MUSIC-AVQA" in text


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_names_a_hole(own_copy: Sweep, name: str) -> None:
    client = MlflowClient(tracking_uri=own_copy.uri)
    run = own_copy.run("table2", "w/o JTG", 1)
    client.set_tag(run, "tass.reason", "loss is NaN & < 0 | in epoch_2")
    client.set_terminated(run, "FAILED")
    text = render(collect(own_copy.uri, tables=["2"]), name)
    assert "run failed" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_terminal_of_any_width_shows_every_cell_whole(finished: Sweep, width: int) -> None:
    out = io.StringIO()
    tables = collect(finished.uri, tables=["2"])
    show(tables, Console(file=out, width=width))
    shown = out.getvalue()
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    blocks = shown.count("┃Method")
    assert blocks <= shown.count("│w/o T-A") <= blocks + 1
    for cell in tables[0].rows[0].cells.values():
        assert f"{cell.mean:.2f}" in shown


def test_an_unknown_format_is_refused(finished: Sweep) -> None:
    with pytest.raises(ReportError, match="format 'pdf' is not one of rich, md"):
        render(collect(finished.uri, tables=["7"]), "pdf")


def test_html_is_balanced_accessible_and_self_contained(finished: Sweep) -> None:
    checker = Checker()
    checker.feed(render(collect(finished.uri), "html"))
    assert checker.faults == []
    assert checker.stack == []
    assert all(source.startswith("data:") for source in checker.sources)


def test_latex_escapes_what_tex_would_read() -> None:
    assert escape("a_b & 5% #1 {x} ~^\\") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_latex_marks_the_top_two_as_the_paper_does(finished: Sweep) -> None:
    text = render(collect(finished.uri, tables=["5"]), "latex")
    assert r"\toprule" in text
    assert r"\bottomrule" in text
    assert text.count(r"\textbf{") >= 4
    assert r"\underline{" in text


def test_csv_numbers_are_those_of_the_json(finished: Sweep) -> None:
    tables = collect(finished.uri, tables=["5"])
    lines = csv.DictReader(io.StringIO(render(tables, "csv")))
    [found] = json.loads(render(tables, "json"))["tables"]
    cells = {(row["name"], key): c for row in found["rows"] for key, c in row["cells"].items()}
    for line in lines:
        cell = cells[line["row"], line["column"]]
        assert float(line["mean"]) == pytest.approx(cell["mean"], rel=1e-5)
        assert float(line["published"]) == pytest.approx(cell["published"])


def test_json_numbers_of_a_hole_are_null(own_copy: Sweep) -> None:
    MlflowClient(tracking_uri=own_copy.uri).delete_run(own_copy.run("table5", "τ = 0.030", 0))
    [found] = json.loads(render(collect(own_copy.uri, tables=["5"]), "json"))["tables"]
    row = next(row for row in found["rows"] if row["name"] == "τ = 0.030")
    assert found["complete"] is False
    assert row["cells"]["all"]["mean"] is None
    assert [used["seed"] for used in row["cells"]["all"]["runs"]] == [1, 2]
    assert row["cells"]["all"]["holes"][0]["seed"] == 0
