"""One static page about a sweep: plan, tables, claims, figures, trials, how to rerun it.

The page needs no server, no network and no second file: figures are inside it. It is built
from a tracking URI alone.
"""

from __future__ import annotations

import base64
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from matplotlib.figure import Figure

from evidence.claims import ClaimsReport, check_from
from evidence.results import ResultTable, origin
from evidence.tables import choose, collect_from
from reports.figures import CURVES, curve, heat_map, learning_curves
from reports.render import verdicts, web, words
from reports.searches import figures as search_figures
from reports.searches import rebuild
from search_spaces.spaces import SPACES
from tracking.reader import Snapshot, SweepRun, TrialRun

PACKAGES = ("tass-lab", "torch", "ray", "optuna", "mlflow", "numpy", "scipy", "statsmodels")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure with the words that stand for it."""

    name: str
    figure: Figure
    caption: str
    alternative: str
    """What the figure says, for those who cannot see it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page, and the drawings in it as files would hold them."""

    html: str
    drawings: tuple[Drawing, ...]
    sweep: SweepRun
    """The sweep whose parent run the page belongs to."""


def build(snapshot: Snapshot, *, sweep: str | None = None) -> Page:
    """Build the page from one reading of a tracking store.

    Args:
        snapshot: what the store holds.
        sweep: run id or name of one sweep; without it each table's most recent one.

    Raises:
        ReportError: there is no sweep, or not that one.
    """
    chosen = choose(snapshot, sweep=sweep)
    sweeps = list({source.run_id: source for source, _ in chosen}.values())
    main = max(sweeps, key=lambda source: source.started)
    tables = collect_from(snapshot, sweep=sweep)
    claims = check_from(snapshot, sweep=sweep)
    trials = [
        run
        for runs in snapshot.trials.values()
        for run in runs
        if run.experiment_id == main.experiment_id
    ]
    drawings = tuple(_drawings(snapshot, tables, sweeps, trials))
    body = "\n".join(
        [
            _header(main, tables, claims, drawings),
            _plan(sweeps),
            *(web.section(table) for table in tables),
            verdicts.to_html(claims),
            _figures(drawings),
            _trials(sweeps, trials, snapshot.address),
            _rerun(sweeps, snapshot.address),
        ]
    )
    return Page(web.document(f"TASS: {main.name} on {main.dataset}", body), drawings, main)


def _header(
    sweep: SweepRun,
    tables: Sequence[ResultTable],
    claims: ClaimsReport,
    drawings: Sequence[Drawing],
) -> str:
    holes = sum(len(table.holes) for table in tables)
    found = [result.verdict for result in claims.results]
    counts = ", ".join(f"{found.count(word)} {word}" for word in dict.fromkeys(found))
    links = [("plan", "Plan"), *((table.key, words.heading(table.number)) for table in tables)]
    links += [("claims", "Claims"), *([("figures", "Figures")] if drawings else [])]
    links += [("trials", "Trials"), ("rerun", "Run it again")]
    items = "".join(f'<li><a href="#{escape(key)}">{escape(name)}</a></li>' for key, name in links)
    return (
        f"<h1>TASS: sweep “{escape(sweep.name)}”</h1>\n"
        f"<p><strong>Every number called ours is from {escape(_origin(sweep))}.</strong> The "
        "paper's numbers are on MUSIC-AVQA and stand beside them for comparison of form, not of "
        "size.</p>\n"
        f"<p>{len(tables)} tables with {holes} {'hole' if holes == 1 else 'holes'}; "
        f"{len(found)} claims: {escape(counts)}.</p>\n"
        f'<nav aria-label="Contents"><ul>{items}</ul></nav>'
    )


def _origin(sweep: SweepRun) -> str:
    return origin(sweep.provenance, sweep.dataset)


def _plan(sweeps: Sequence[SweepRun]) -> str:
    blocks = []
    for sweep in sweeps:
        splits = sweep.plan.get("dataset", {}).get("splits", {})
        rows = {
            "Sweep": f"{sweep.name} ({sweep.status})",
            "Command": sweep.command or "not recorded",
            "Started": _time(sweep.started),
            "Dataset": f"{sweep.dataset} ({sweep.provenance}), fingerprint {sweep.fingerprint}",
            "Questions": ", ".join(f"{count} {name}" for name, count in splits.items()),
            "Seeds": ", ".join(str(seed) for seed in sweep.seeds),
            "Variants": str(len(sweep.plan.get("variants", {}))),
            "Trials": str(len(sweep.plan.get("trials", {}))),
            "Tables": ", ".join(plan["key"] for plan in sweep.plan.get("tables", ())),
            "Training version": sweep.training_version,
            "MLflow run": sweep.run_id,
        }
        blocks.append(_facts(rows))
    return f'<section id="plan">\n<h2>Plan</h2>\n{"".join(blocks)}</section>'


def _facts(rows: Mapping[str, str]) -> str:
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows.items())
    return f'<dl class="meta">{items}</dl>\n'


def _drawings(
    snapshot: Snapshot,
    tables: Sequence[ResultTable],
    sweeps: Sequence[SweepRun],
    trials: Sequence[TrialRun],
) -> list[Drawing]:
    variants = {k: v["config"] for s in sweeps for k, v in s.plan.get("variants", {}).items()}
    found = []
    for table in tables:
        if table.key in CURVES:
            found.append(_curve(table, variants))
        if table.key == "table2":
            found.append(_heat(table))
            found.append(_learning(snapshot, table))
    names = [name for name in SPACES if any(s.name == name for s in snapshot.readable())]
    for name in names:
        found.extend(_search(snapshot, name, trials))
    return found


def _curve(table: ResultTable, variants: Mapping[str, Mapping[str, Any]]) -> Drawing:
    field, name = CURVES[table.key]
    values = {
        row.name: float(variants[row.config_hash][field])
        for row in table.rows
        if row.config_hash is not None and row.config_hash in variants
    }
    cells = [(row.name, row.cells["all"]) for row in table.rows]
    said = "; ".join(f"{row} {words.own(cell, words.hole_marks(table))}" for row, cell in cells)
    return Drawing(
        f"curve-{table.key}",
        curve(table, values, name),
        f"Accuracy over {name}, mean of seeds with 95% intervals ({table.origin}); the paper's "
        "curve, where it has one, is on MUSIC-AVQA.",
        f"Line chart of accuracy over {name}: {said}.",
    )


def _heat(table: ResultTable) -> Drawing:
    known = [(row.name, row.cells["all"].mean) for row in table.rows]
    said = "; ".join(f"{name} {mean:.1f}" for name, mean in known if mean is not None)
    return Drawing(
        "heat-map",
        heat_map(table),
        f"Accuracy by question type and variant ({table.origin}).",
        f"Heat map of {words.heading(table.number)}; accuracy on all questions: {said}. "
        "Every number stands in the table itself.",
    )


def _learning(snapshot: Snapshot, table: ResultTable) -> Drawing:
    histories = {
        row.name: [snapshot.history(run, "val/all") for run in row.runs.values()]
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


def _search(snapshot: Snapshot, name: str, trials: Sequence[TrialRun]) -> list[Drawing]:
    """Draw the latest search of a name; a trial counts with its best epoch, as it is selected."""
    searches = [s for s in snapshot.readable() if s.name == name and not s.plan.get("tables")]
    if not searches:
        return []
    runs = [run for run in trials if run.parent == searches[0].run_id]
    histories = {run.run_id: snapshot.history(run.run_id, "val/all") for run in runs}
    best = {run: max(value for _, value in points) for run, points in histories.items() if points}
    study = rebuild(name, runs, best)
    return [
        Drawing(
            f"search-{name}-{kind}",
            figure,
            f"Search '{name}', {kind.replace('-', ' ')}: {len(study.trials)} trials "
            f"({_origin(searches[0])}).",
            f"Optuna's {kind.replace('-', ' ')} of the search '{name}'; best validation accuracy "
            f"{study.best_value:.2f} with {study.best_params}.",
        )
        for kind, figure in search_figures(study).items()
    ]


def _figures(drawings: Sequence[Drawing]) -> str:
    if not drawings:
        return ""
    blocks = "\n".join(
        f'<figure>\n<img class="figure" src="{_inline(drawing.figure)}" '
        f'alt="{escape(drawing.alternative)}">\n'
        f"<figcaption>{escape(drawing.caption)}</figcaption>\n</figure>"
        for drawing in drawings
    )
    return f'<section id="figures">\n<h2>Figures</h2>\n{blocks}\n</section>'


def _inline(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def _trials(sweeps: Sequence[SweepRun], trials: Sequence[TrialRun], uri: str) -> str:
    by_variant: dict[str, list[TrialRun]] = {}
    planned = {key for sweep in sweeps for key in sweep.plan.get("trials", {})}
    for run in sorted(trials, key=lambda run: (run.variant, run.seed)):
        if run.key in planned:
            by_variant.setdefault(run.config_hash, []).append(run)
    base = sweeps[0].plan.get("base", {})
    blocks = []
    for address, runs in by_variant.items():
        config = {k: v for k, v in runs[0].params.items() if "." in k}
        changed = {k: v for k, v in config.items() if str(base.get(k)) != v}
        difference = ", ".join(f"{k}={v}" for k, v in changed.items()) or "the base config"
        links = ", ".join(
            f"seed {run.seed} {web.run_link(uri, run.experiment_id, run.run_id)} ({run.state}"
            f"{': ' + escape(run.reason) if run.reason else ''})"
            for run in runs
        )
        blocks.append(
            f"<details><summary>{escape(runs[0].variant)}: <code>{escape(difference)}</code>"
            f"</summary>\n<p>{links}</p>\n<pre>{escape(json.dumps(config, indent=1))}</pre>\n"
            f"<p>Config hash <code>{escape(address)}</code>.</p></details>"
        )
    return (
        f'<section id="trials">\n<h2>Trials</h2>\n<p>Config of each variant as it differs from the '
        f"sweep's base, and its MLflow runs.</p>\n{''.join(blocks)}\n</section>"
    )


def _rerun(sweeps: Sequence[SweepRun], uri: str) -> str:
    commands = "\n".join(sweep.command for sweep in reversed(sweeps) if sweep.command)
    recorded = {
        f"{sweep.name}: {key.removeprefix('tass.')}": value
        for sweep in sweeps
        for key, value in sorted(sweep.tags.items())
        if "version" in key or key.startswith(("mlflow.source", "tass.environment."))
    }
    here = {name: _version(name) for name in PACKAGES}
    here = {"Python": platform.python_version(), "Machine": platform.platform(), **here}
    return (
        '<section id="rerun">\n<h2>Run it again</h2>\n'
        f"<pre>{escape(commands or 'no command was recorded')}</pre>\n"
        "<p>Trials that MLflow holds are not trained again. This page is made by:</p>\n"
        f"<pre>tass-cli report --tracking-uri {escape(uri)} --output report/</pre>\n"
        f"<h3>Recorded with the sweep</h3>\n{_facts(recorded)}"
        f"<h3>Where this page was made</h3>\n{_facts(here)}</section>"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
