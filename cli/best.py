"""``tass-cli best``: the ranking of variants, and the best one's checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, option, refuse_typed
from cli.options import (
    OUTPUT,
    WHAT,
    console,
    data_option,
    format_option,
    past_sweep,
    resolve_dataset,
    results,
    tracking_option,
)
from evidence.ranking import pareto as find_front
from evidence.ranking import rank
from reports.render.data import front_json, ranking_json
from reports.render.terminal import show_front, show_ranking
from search_spaces.objectives import parse_objectives
from tracking.reader import EVERYTHING, RESULTS, Reader


@click.command(cls=Command)
@past_sweep
@option(
    "--metric",
    metavar="NAME",
    group=WHAT,
    help="Validation metric to rank by, at each trial's best epoch. Default: the first that SWEEP "
    "is a search for, or val/all.",
)
@option(
    "--pareto",
    is_flag=True,
    group=WHAT,
    help="Show the variants that no other is better than in every objective.",
)
@option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="METRIC",
    group=WHAT,
    help="An objective of --pareto, such as val/all or params_m. Default: the sweep's own.",
)
@option("--variant", metavar="NAME", group=WHAT, help="Only this variant, by name or config hash.")
@option("--seed", type=int, metavar="N", group=WHAT, help="Only this seed.")
@option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    group=OUTPUT,
    help="Folder for the best seed's checkpoint, verified before it is published.",
)
@option("--force", is_flag=True, group=OUTPUT, help="Replace an existing --export folder.")
@data_option
@tracking_option
@format_option
def best(
    sweep: str | None,
    metric: str | None,
    pareto: bool,
    objectives: tuple[str, ...],
    variant: str | None,
    seed: int | None,
    target: Path | None,
    force: bool,
    data_path: Path | None,
    tracking_uri: str | None,
    output_format: str,
) -> None:
    """Rank variants by their validation mean over seeds, and export the best checkpoint.

    SWEEP is the name, file or run id of a sweep. Without it all trials on the latest sweep's
    dataset take part. Variants that lack a seed are not ranked: one seed is not enough to crown
    a winner.

    \b
    Example:
      tass-cli best --export checkpoint
      tass-cli best small.toml --pareto
    """
    if target is None:
        refuse_typed("it is about --export, which is not given", "force", "data_path")
    snapshot = Reader(tracking_uri).snapshot(wanted=EVERYTHING if target else RESULTS)
    if pareto:
        refuse_typed("--pareto ranks nothing; leave one of them out", "metric", "variant", "seed")
        refuse_typed("a front has no single best variant; leave one of them out", "target")
        goals = parse_objectives(objectives) if objectives else ()
        front = find_front(snapshot, sweep=sweep, objectives=goals)
        if output_format == "json":
            click.echo(front_json(front), nl=False)
        else:
            show_front(front, results())
        return
    refuse_typed("it is about --pareto, which is not given", "objectives")
    ranking = rank(snapshot, sweep=sweep, metric=metric, variant=variant, seed=seed)
    if output_format == "json":
        click.echo(ranking_json(ranking), nl=False)
    else:
        show_ranking(ranking, results())
    if target is not None:
        # Here, not above: a ranking waits for no torch.
        from jobs.export import export

        winner = ranking.rows[0]
        chosen = winner.best_seed
        proof = export(snapshot, winner, chosen, resolve_dataset(data_path), target, force=force)
        ties = f" ({proof.near_ties} up to a near-tie)" if proof.near_ties else ""
        console.print(
            f"Exported {winner.variant}, seed {chosen}, to {target}: every logged test answer "
            f"reproduced{ties}, test accuracy {proof.metrics['test/all']:.2f} %.",
            highlight=False,
            soft_wrap=True,
        )
