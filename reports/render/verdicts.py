"""Claims as a terminal table, Markdown, HTML and JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from typing import Any

from rich.console import Console
from rich.markup import escape as plain_text
from rich.padding import Padding
from rich.table import Table

from evidence.claims import ClaimResult, ClaimsReport, Part
from reports.render import markdown, plain, web, words
from search_spaces.columns import COLUMNS

HEADER = ("Claim", "Section", "Verdict", "Contrast", "Ours", "95% interval", "p (Holm)", "n")
HEADER_PAPER = (*HEADER, "Paper", "Why")
_CLASSES = {"holds": "holds", "does not hold": "fails", "undecided": "undecided"}
_STYLES = {"holds": "green", "does not hold": "red", "undecided": "yellow"}


def summary(report: ClaimsReport) -> list[str]:
    """Return what must be read with the verdicts."""
    seeds = ", ".join(str(seed) for seed in report.seeds) or "none"
    lines = [
        f"Ours: {report.origin}; paper: MUSIC-AVQA. Seeds {seeds}; {report.questions} test "
        f"questions; sweeps {', '.join(run[:8] for run in report.sweeps)}.",
        f"Paired differences over the same seeds and questions, Student's t, {report.level:.0%}; "
        "Holm's correction within a claim. A claim holds when all its contrasts do; a difference "
        f"within ±{report.margin} points is none.",
        "Paper ±: 95% noise of the published contrast, each cell one run on the paper's questions.",
    ]
    found = report.calibration
    if found is not None:
        lines.append(
            f"A/A check: {found.flagged} of {found.tables} simulated tables of {found.rows} "
            f"identical variants ({found.seeds} seeds, {found.questions} questions) came to a "
            f"difference: {found.rate:.1%}, stated at most {1 - report.level:.0%}."
        )
    return lines


def lines(result: ClaimResult) -> list[tuple[str, ...]]:
    """Return a claim as lines of text, one for each contrast, in the order of HEADER_PAPER."""
    return [
        (
            result.claim.sentence if place == 0 else "",
            result.claim.section if place == 0 else "",
            result.verdict if place == 0 else "",
            *_part(part, len(result.parts) > 1),
        )
        for place, part in enumerate(result.parts)
    ]


def slip_lines(report: ClaimsReport) -> list[tuple[str, str, str, str]]:
    """Return (where, what it says, printed, what the tables give) for every slip."""
    found = [
        (
            f"Section {slip.section}",
            " ".join(filter(None, (slip.sentence, slip.remark))),
            f"{slip.printed:g}",
            f"{slip.contrast.published():.3f}".rstrip("0"),
        )
        for slip in report.slips
    ]
    for slip in report.table_slips:
        where = words.heading(slip.table.removeprefix("table"))
        what = f"{slip.row}: {COLUMNS[slip.column].label} against its question types"
        found.append((where, what, f"{slip.printed:.2f}", f"{slip.computed:.2f}"))
    return found


def show(report: ClaimsReport, console: Console) -> None:
    """Print all verdicts on a console."""
    console.print("The paper's claims (section 4.3)", style="bold")
    for result in report.results:
        style = _STYLES[result.verdict]
        console.print(
            f"\n[{style}]{result.verdict}[/{style}]  {plain_text(result.claim.sentence)}",
            highlight=False,
        )
        for _, _, _, name, ours, interval, p, size, paper, why in lines(result):
            text = f"{name}: {ours} {interval}, p {p}, n {size}; paper {paper}"
            why = f"; {why}" if why else ""
            console.print(Padding(plain_text(text + why), (0, 0, 0, 4)), style="dim")
    console.print()
    for note in summary(report):
        console.print(plain_text(note), style="dim")
    slips = Table(title="Where the paper's text and tables disagree", title_justify="left")
    for name in ("Where", "What", "Printed", "Tables give"):
        slips.add_column(name)
    for slip in slip_lines(report):
        slips.add_row(*(plain_text(text) for text in slip))
    console.print(slips)


def to_markdown(report: ClaimsReport) -> str:
    """Return all verdicts as Markdown."""
    found = [line for result in report.results for line in lines(result)]
    parts = [
        "## The paper's claims (section 4.3)",
        markdown.grid(HEADER_PAPER, found),
        "\n".join(f"- {note}" for note in summary(report)),
        "\n".join(f"- {text}" for text in _remarks(report)),
        "### Where the paper's text and tables disagree",
        markdown.grid(("Where", "What", "Printed", "Tables give"), slip_lines(report)),
    ]
    return "\n\n".join(parts) + "\n"


def to_html(report: ClaimsReport) -> str:
    """Return all verdicts as an HTML section."""
    names = [name for name in HEADER_PAPER if name != "Section"]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "\n".join(_html_row(result) for result in report.results)
    notes = "".join(f"<li>{escape(text)}</li>" for text in (*summary(report), *_remarks(report)))
    title = "The paper's claims (section 4.3)"
    return (
        f'<section id="claims">\n<h2>{title}</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n<table>\n'
        f"<caption>Verdicts on our runs ({escape(report.origin)}) beside the published numbers."
        f"</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
        f'<ul class="notes">{notes}</ul>\n'
        + web.grid(
            "Where the paper's text and tables disagree",
            ("Where", "What", "Printed", "Tables give"),
            slip_lines(report),
            texts=(1,),
        )
        + "</section>"
    )


def to_json(report: ClaimsReport) -> str:
    """Return all verdicts as JSON; the schema is written down in docs/reports.md."""
    return plain.dump(
        {
            "format": plain.FORMAT,
            "kind": "claims",
            "origin": report.origin,
            "seeds": report.seeds,
            "questions": report.questions,
            "sweeps": report.sweeps,
            "level": report.level,
            "margin": report.margin,
            "calibration": None
            if report.calibration is None
            else {**dataclasses.asdict(report.calibration), "rate": report.calibration.rate},
            "claims": [_claim(result) for result in report.results],
            "slips": [
                {
                    "section": slip.section,
                    "sentence": slip.sentence,
                    "printed": slip.printed,
                    "computed": round(slip.contrast.published(), 6),
                    "remark": slip.remark,
                }
                for slip in report.slips
            ],
            "table_slips": [dataclasses.asdict(slip) for slip in report.table_slips],
        }
    )


def _part(part: Part, named: bool) -> tuple[str, ...]:
    difference = part.difference
    column = "" if part.contrast.column == "all" else f" ({COLUMNS[part.contrast.column].label})"
    paper = words.signed(part.published)
    if part.published_error is not None:
        paper += f" ±{1.96 * part.published_error:.2f}"
    why = ": ".join(filter(None, (part.verdict if named else "", part.reason)))
    if difference is None:
        return part.contrast.name + column, "–", "–", "–", "–", paper, why
    size = f"{difference.seeds} × {difference.questions}" if difference.questions else "counted"
    return (
        part.contrast.name + column,
        words.signed(difference.mean),
        words.bounds(difference.interval),
        words.p_value(difference.p_holm),
        size,
        paper,
        why,
    )


def _html_row(result: ClaimResult) -> str:
    found = lines(result)
    span = f' rowspan="{len(found)}"' if len(found) > 1 else ""
    out = []
    for place, line in enumerate(found):
        opening = ""
        if place == 0:
            opening = (
                f'<th scope="rowgroup"{span}>{escape(line[0])}<small>Section {escape(line[1])}'
                "</small></th>"
                f'<td{span}><span class="{_CLASSES[line[2]]}">{escape(line[2])}</span></td>'
            )
        numbers = "".join(f"<td>{escape(text)}</td>" for text in line[4:9])
        name, why = escape(line[3]), escape(line[9])
        cells = f'<td class="text">{name}</td>{numbers}<td class="text">{why}</td>'
        out.append(f"<tr>{opening}{cells}</tr>")
    return "\n".join(out)


def _remarks(report: ClaimsReport) -> Sequence[str]:
    found = [result.claim.remark for result in report.results if result.claim.remark]
    return list(dict.fromkeys(found))


def _claim(result: ClaimResult) -> dict[str, Any]:
    claim = result.claim
    return {
        "key": claim.key,
        "section": claim.section,
        "sentence": claim.sentence,
        "kind": claim.kind,
        "remark": claim.remark,
        "verdict": result.verdict,
        "contrasts": [
            {
                "name": part.contrast.name,
                "column": part.contrast.column,
                "terms": [dataclasses.asdict(term) for term in part.contrast.terms],
                "published": round(part.published, 6),
                "published_error": part.published_error,
                "difference": None
                if part.difference is None
                else dataclasses.asdict(part.difference),
                "verdict": part.verdict,
                "reason": part.reason,
                "further_seeds": part.further_seeds,
                "run_ids": part.runs,
            }
            for part in result.parts
        ],
    }
