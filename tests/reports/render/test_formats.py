"""Every format says the same things, and none can be broken by a name."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from rich.console import Console

from evidence.claims import check
from evidence.results import Cell, ResultRow, ResultTable
from evidence.rows import Hole
from evidence.tables import collect
from reports.render import FORMATS, render
from reports.render.templates import escape_latex
from reports.render.terminal import show_claims, show_tables
from tass_core.errors import ReportError
from tests.reports.runs import Sweep, write_sweep

TEXTS = (
    *("number", "title", "dataset", "provenance", "fingerprint", "training_version", "sweep"),
    *("sweep_run", "note", "experiment_id", "tracking_uri"),
)
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


class Tags(HTMLParser):
    """Collects the elements of a document and their attributes' names, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    @classmethod
    def of(cls, text: str) -> list[tuple[str, tuple[str, ...]]]:
        parser = cls()
        parser.feed(text)
        return parser.found


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_carries_the_mean_the_paper_and_the_origin(finished: Sweep, name: str) -> None:
    tables = collect(finished.snapshot(), tables=["2"])
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
    text = render(collect(own_copy.snapshot(), tables=["2"]), name)
    assert "run failed" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_terminal_of_any_width_shows_every_cell_whole(finished: Sweep, width: int) -> None:
    out = io.StringIO()
    tables = collect(finished.snapshot(), tables=["2"])
    show_tables(tables, Console(file=out, width=width))
    shown = out.getvalue()
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    blocks = shown.count("┃Method")
    assert blocks <= shown.count("│w/o T-A") <= blocks + 1
    for cell in tables[0].rows[0].cells.values():
        assert f"{cell.mean:.2f}" in shown


def test_an_unknown_format_is_refused(finished: Sweep) -> None:
    with pytest.raises(ReportError, match="format 'pdf' is not one of rich, md"):
        render(collect(finished.snapshot(), tables=["7"]), "pdf")


def test_html_is_balanced_accessible_and_self_contained(finished: Sweep) -> None:
    checker = Checker()
    checker.feed(render(collect(finished.snapshot()), "html"))
    assert checker.faults == []
    assert checker.stack == []
    assert all(source.startswith("data:") for source in checker.sources)


def test_latex_escapes_what_tex_would_read() -> None:
    assert escape_latex("a_b & 5% #1 {x} ~^\\") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_latex_marks_the_top_two_as_the_paper_does(finished: Sweep) -> None:
    text = render(collect(finished.snapshot(), tables=["5"]), "latex")
    assert r"\toprule" in text
    assert r"\bottomrule" in text
    assert text.count(r"\textbf{") >= 4
    assert r"\underline{" in text


def test_csv_numbers_are_those_of_the_json(finished: Sweep) -> None:
    tables = collect(finished.snapshot(), tables=["5"])
    lines = csv.DictReader(io.StringIO(render(tables, "csv")))
    [found] = json.loads(render(tables, "json"))["tables"]
    cells = {(row["name"], key): c for row in found["rows"] for key, c in row["cells"].items()}
    for line in lines:
        cell = cells[line["row"], line["column"]]
        assert float(line["mean"]) == pytest.approx(cell["mean"], rel=1e-5)
        assert float(line["published"]) == pytest.approx(cell["published"])


def test_json_numbers_of_a_hole_are_null(own_copy: Sweep) -> None:
    MlflowClient(tracking_uri=own_copy.uri).delete_run(own_copy.run("table5", "τ = 0.030", 0))
    [found] = json.loads(render(collect(own_copy.snapshot(), tables=["5"]), "json"))["tables"]
    row = next(row for row in found["rows"] if row["name"] == "τ = 0.030")
    assert found["complete"] is False
    assert row["cells"]["all"]["mean"] is None
    assert [used["seed"] for used in row["cells"]["all"]["runs"]] == [1, 2]
    assert row["cells"]["all"]["holes"][0]["seed"] == 0


@pytest.fixture(scope="module")
def table1(tmp_path_factory: pytest.TempPathFactory) -> ResultTable:
    folder = tmp_path_factory.mktemp("table1")
    sweep = write_sweep(folder, keys=("table1",), seeds=(0,), base={"optimiser.epochs": 7})
    return collect(sweep.snapshot(), tables=["1"])[0]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_every_document_says_the_base_config_and_the_note(table1: ResultTable, name: str) -> None:
    text = " ".join(render([table1], name).split())
    assert "columns are probably permuted in the source" in text
    assert '"optimiser.epochs": 7' in text or "epochs 7, width 64" in text


def test_the_terminal_prints_the_remarks_on_claims(finished: Sweep) -> None:
    out = io.StringIO()
    report = check(finished.snapshot())
    show_claims(report, Console(file=out, width=120))
    shown = " ".join(out.getvalue().split())
    for result in report.results:
        assert result.claim.sentence in shown
        assert result.claim.remark in shown


MARKUP = st.text(st.sampled_from("<>&\"'`|#*_[]()\\\n !scriptxyz/="), min_size=1, max_size=30)


@settings(max_examples=30)
@given(hostile=MARKUP)
@example(hostile="<script>alert(1)</script>\n# heading | cell")
@example(hostile="\\<script>")
def test_no_text_from_a_run_can_become_markup(hostile: str) -> None:
    hole = Hole(hostile, 0, hostile)
    cell = Cell("all", {}, None, None, None, None, (hole,))
    row = ResultRow(hostile, None, {}, {"all": cell}, None, (hole,))
    names = dict.fromkeys(TEXTS, hostile)
    table = ResultTable(
        key="k",
        columns=("all",),
        rows=(row,),
        seeds=(0,),
        base={},
        questions={},
        videos=None,
        margin=1.0,
        **names,
    )
    harmless = replace(table, rows=(replace(row, name="x"),), **dict.fromkeys(TEXTS, "x"))
    tags, plain = (Tags.of(render([found], "html")) for found in (table, harmless))
    assert tags == plain
    lines = render([table], "md").splitlines()
    assert sum(line.startswith("#") for line in lines) == 1
    assert not re.search(r"(?<!\\)(\\\\)*<(?!br>|/?u>)", "\n".join(lines))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_a_rival_s_fidelity_is_printed_wherever_the_row_is(table1: ResultTable, name: str) -> None:
    first, *others = table1.rows
    rival = replace(first, name="Rival", fidelity="adapted", differs="other inputs")
    text = " ".join(render([replace(table1, rows=(rival, *others))], name).split())
    if name == "json":
        assert '"fidelity": "adapted", "differs": "other inputs"' in text
    else:
        assert "Rival (adapted)" in text
        assert "Rival: adapted; other inputs." in text


def test_every_format_says_which_rows_are_one_function(tmp_path: Path) -> None:
    tables = collect(write_sweep(tmp_path, keys=("table6",)).snapshot(), tables=["6"])
    [found] = json.loads(render(tables, "json"))["tables"][0]["twins"]
    assert found["fields"] == ["model.ordering"]
    for name in FORMATS.keys() - {"json", "csv"}:
        text = " ".join(render(tables, name).split())
        assert "one function, trained once; model.ordering changes nothing in it" in text
        assert re.search(r"published rows.{1,5} spread \(73.93 to 74.98 on", text)
