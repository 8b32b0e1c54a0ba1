"""``tass-cli data info`` and ``check``: looking into a dataset."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from cli.command import Command
from cli.options import format_option, results
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.examine import check_dataset, summarise
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES


@click.command("info", cls=Command)
@click.argument("dataset", type=click.Path(path_type=Path))
@format_option
def info_command(dataset: Path, output_format: str) -> None:
    """Show shapes, counts, answers, size and fingerprint of a dataset.

    \b
    tass-cli data info data/demo
    """
    figures = summarise(open_dataset(dataset))
    if output_format == "json":
        click.echo(json.dumps(figures, indent=2))
        return
    for line in _figures_in_words(figures):
        click.echo(line)
    results().print(_type_table(figures))
    total = max(1, sum(figures["answers"].values()))
    common = sorted(figures["answers"].items(), key=lambda item: -item[1])
    shares = [f"{answer} {100 * count / total:.1f}%" for answer, count in common if count]
    click.echo("answers: " + ", ".join(shares))


@click.command("check", cls=Command)
@click.argument("dataset", type=click.Path(path_type=Path))
@format_option
def check_command(dataset: Path, output_format: str) -> None:
    """Read a whole dataset and report what is, or looks, wrong; exit code 1 on errors.

    \b
    tass-cli data check data/demo
    """
    findings = check_dataset(open_dataset(dataset))
    if output_format == "json":
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.level}: {finding}")
        errors = sum(finding.level == "error" for finding in findings)
        warnings = sum(finding.level == "warning" for finding in findings)
        click.echo(f"{dataset}: {errors} errors, {warnings} warnings")
    if any(finding.level == "error" for finding in findings):
        sys.exit(1)


def _figures_in_words(figures: dict[str, Any]) -> Iterator[str]:
    yield f"{figures['name']}: {figures['provenance']}, fingerprint {figures['fingerprint']}"
    if figures["description"]:
        yield figures["description"]
    stored = figures["segments"] // figures["stored_t2"]
    pooled = f", stored as {figures['stored_pooling']} over {figures['stored_t2']}"
    yield (
        f"{figures['videos']} videos of {figures['segments']} segments"
        f"{pooled if figures['stored_t2'] > 1 else ''}, {figures['bytes'] / 1e9:.3f} GB"
    )
    for name, encoder in figures["encoders"].items():
        height, width = encoder["grid"]
        shape = [figures["videos"], stored, height * width, encoder["visual"]]
        if encoder["text"]:
            words = f", words {encoder['words']}" if encoder["words"] else ""
            asked = f"sentences of width {encoder['text']}{words}"
        else:
            vectors = f", vectors of width {encoder['vectors']}" if encoder["vectors"] else ""
            asked = f"{encoder['words']} tokens of {figures['vocabulary']}{vectors}"
        yield f"encoder {name}: visual {shape} ({height}x{width}), {asked}"
    if figures["base"]:
        settings = ", ".join(f"{name}={value}" for name, value in figures["base"].items())
        yield f"recommended settings: {settings}"


def _type_table(figures: dict[str, Any]) -> Table:
    splits = figures["questions"]
    table = Table("questions", *splits, box=None)
    for name in QUESTION_TYPES:
        table.add_row(name, *(str(figures["types"][split][name]) for split in splits))
    table.add_row("all", *map(str, splits.values()))
    return table
