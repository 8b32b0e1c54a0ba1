"""``tass-cli best``: the ranking of variants, and the best one's checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cli.options import (
    console,
    data_option,
    format_option,
    resolve_dataset,
    results,
    sweep_option,
    tracking_option,
)
from jobs.export import Ranking, export, rank
from tracking.connect import resolve_uri

SHOWN = 20


@click.command()
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder for the best seed's checkpoint, verified before it is published.",
)
@sweep_option
@click.option(
    "--metric",
    default="val/all",
    show_default=True,
    help="Validation metric to rank by, at each trial's best epoch.",
)
@click.option("--variant", help="Only this variant, by name or config hash.")
@click.option("--seed", type=int, help="Only this seed.")
@click.option("--force", is_flag=True, help="Replace an existing --export folder.")
@data_option
@tracking_option
@format_option
def best(
    target: Path | None,
    sweep: str | None,
    metric: str,
    variant: str | None,
    seed: int | None,
    force: bool,
    data_path: Path | None,
    tracking_uri: str | None,
    output_format: str,
) -> None:
    """Rank variants by mean validation accuracy over seeds, and export the best checkpoint.

    Variants that lack a seed are not ranked: one seed is not enough to crown a winner.

    \b
    Example:
      tass-cli best --export checkpoint
    """
    uri = resolve_uri(tracking_uri)
    ranking = rank(uri, sweep=sweep, metric=metric, variant=variant, seed=seed)
    if output_format == "json":
        click.echo(json.dumps(_describe(ranking), indent=2))
    else:
        _show(ranking, results())
    if target is not None:
        winner = ranking.rows[0]
        chosen = winner.best_seed
        metrics = export(uri, winner, chosen, resolve_dataset(data_path), target, force=force)
        console.print(
            f"Exported {winner.variant}, seed {chosen}, to {target}: every logged test answer "
            f"reproduced, test accuracy {metrics['test/all']:.2f} %.",
            highlight=False,
            soft_wrap=True,
        )


def _show(ranking: Ranking, out: Console) -> None:
    table = Table(box=None, padding=(0, 2))
    for name in ("", "variant", f"mean {ranking.metric}", "sd", "mean test/all", "best seed"):
        table.add_column(name)
    for place, row in enumerate(ranking.rows[:SHOWN], start=1):
        deviation = "-" if row.deviation is None else f"{row.deviation:.2f}"
        table.add_row(
            *(str(place), row.variant, f"{row.value:.2f}", deviation, f"{row.test:.2f}"),
            f"{row.best_seed} ({row.values[row.best_seed]:.2f})",
        )
    out.print(table)
    remarks = [f"Seeds {list(ranking.seeds)} on dataset '{ranking.sweep.dataset}'"]
    if len(ranking.rows) > SHOWN:
        remarks.append(f"{len(ranking.rows) - SHOWN} more variants not shown")
    if ranking.incomplete:
        remarks.append(f"{ranking.incomplete} variants without all the seeds not ranked")
    out.print("; ".join(remarks), highlight=False)


def _describe(ranking: Ranking) -> dict[str, object]:
    return {
        "metric": ranking.metric,
        "seeds": list(ranking.seeds),
        "dataset": ranking.sweep.dataset,
        "fingerprint": ranking.sweep.fingerprint,
        "incomplete": ranking.incomplete,
        "ranking": [
            {
                "variant": row.variant,
                "config_hash": row.config_hash,
                "mean": row.value,
                "deviation": row.deviation,
                "test": row.test,
                "seeds": {
                    str(seed): {"value": value, "key": row.trials[seed].key}
                    for seed, value in row.values.items()
                },
                "best_seed": row.best_seed,
            }
            for row in ranking.rows
        ],
    }
