"""``tass-cli plan``: what a sweep would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.display import duration
from cli.options import format_option, results
from cli.request import SweepCommand, SweepRequest, sweep_options
from jobs.choices import Search
from jobs.planning.preview import Preview, preview, probe


@click.command(cls=SweepCommand)
@sweep_options
@format_option
def plan(requests: Sequence[SweepRequest], output_format: str) -> None:
    """Show what a sweep would run: variants, seeds, unique trials, packs, time and disk.

    SWEEP is a built-in sweep (see below) or a TOML file.

    \b
    Example:
      tass-cli plan ablations --num-seeds 3
    """
    found = [
        replace(preview_request(request), alike=probe(request.plan, request.dataset))
        for request in requests
    ]
    max_hours = requests[0].max_hours
    if output_format == "json":
        plans = [plan.to_dict() | {"budget": budget(plan, max_hours)} for plan in found]
        click.echo(json.dumps({"plans": plans} if len(plans) > 1 else plans[0], indent=2))
        return
    for request, planned in zip(requests, found, strict=True):
        show(planned, results())
        if max_hours is not None:
            results().print(f"  budget        {budget_words(planned, max_hours)}", highlight=False)
        if request.sharing is not None:
            results().print(f"  machine       {request.sharing}", highlight=False)


def preview_request(request: SweepRequest) -> Preview:
    """Return what a request would do now."""
    return preview(
        request.plan,
        request.dataset,
        request.tracking_uri,
        request.storage,
        request.resources,
        request.keep,
        request.search,
    )


def budget(found: Preview, hours: float | None) -> dict[str, Any] | None:
    """Return what a budget of hours buys: ``hours`` and ``trials``, None where nothing tells."""
    if hours is None:
        return None
    missing = len(found.plan.trials) - len(found.held)
    if found.search is not None or found.time is None:
        return {"hours": hours, "trials": 0 if not missing and not found.search else None}
    training = max(hours * 3600 - (found.time.startup or 0.0), 0.0)
    whole = max(found.time.seconds - (found.time.startup or 0.0), 1e-9)
    return {"hours": hours, "trials": min(missing, int(missing * training / whole))}


def budget_words(found: Preview, hours: float) -> str:
    """Return in words what a budget of hours buys."""
    bought = budget(found, hours)
    missing = len(found.plan.trials) - len(found.held)
    if bought is None or bought["trials"] is None:
        return f"what {hours:g} h buy is unknown, as the time is"
    if bought["trials"] >= missing:
        return f"{hours:g} h buy all that is missing"
    return f"{hours:g} h buy about {bought['trials']} of the {missing} missing trials"


def show(found: Preview, console: Console) -> None:
    """Print a preview."""
    plan, search = found.plan, found.search
    console.print(f"[bold]Sweep {plan.sweep}[/bold] on dataset '{plan.dataset['name']}'")
    if search is not None:
        console.print(f"  search        up to {search.trials} trials; {search_words(search)}")
        fresh = list(plan.seeds[1:])
        best = f"the best {search.confirm} on seeds {fresh}" if fresh else "none, for want of seeds"
        console.print(f"  confirmation  {best}")
    else:
        console.print(_rows(found))
        held = len(found.held)
        if plan.until is not None:
            most = len(plan.variants) * plan.until.last
            console.print(
                f"  until decided from {len(plan.trials)} trials, if all is decided by the first "
                f"{plan.until.first} seeds, to {most}, if nothing is by {plan.until.last}; "
                f"margin {plan.until.margin:g} points"
            )
        seeds = plan.seeds if plan.until is None else plan.seeds[: plan.until.first]
        console.print(f"  variants      {len(plan.variants)}, seeds {list(seeds)}")
        for names in found.alike:
            console.print(
                f"  alike         {', '.join(names)}: one function on random batches, with initial "
                "weights",
                markup=False,
            )
        console.print(
            f"  trials        {len(plan.trials)}, {found.shared} of them in several table rows"
        )
        console.print(f"  in MLflow     {held} held, {len(plan.trials) - held} to train")
        console.print(f"  packs         {len(found.packs)}, {found.slots} at once")
    console.print(f"  time          {time_words(found)}")
    size = found.checkpoints
    known = "unknown before the first trial" if size is None else f"{size / 1e6:.0f} MB"
    console.print(f"  checkpoints   {known}")


def search_words(search: Search) -> str:
    """Return how a search samples and prunes, in words."""
    eta = "" if search.pruner == "wilcoxon" else f" eta {search.eta}"
    rule = f"{search.pruner}{eta} from epoch {search.min_epochs}"
    goals = ", ".join(f"{it.direction} {it.metric}" for it in search.objectives)
    bounds = "".join(f", {it}" for it in search.constraints)
    return (
        f"{goals}{bounds}; sampler {search.sampler}, "
        f"{'no pruning' if search.pruner == 'none' else rule}"
    )


def time_words(found: Preview) -> str:
    """Return the estimate of time in words."""
    time = found.time
    if found.search is None and not found.packs:
        return "nothing to train"
    if time is None:
        return "unknown: no past trial on this dataset, and tass-cli bench has not run here"
    shape = "of the same shapes" if time.same_shape else "partly of other shapes"
    source = f"{time.past_trials} past trials {shape}"
    if time.source == "benchmark":
        source = "tass-cli bench: no past trial on this dataset"
    startup = "" if time.startup is not None else "; start-up not included"
    return (
        f"about {duration(time.seconds)} ({duration(time.low)} to {duration(time.high)}, "
        f"from {source}{startup})"
    )


def _rows(found: Preview) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("table", "row", "seeds held", "note"):
        table.add_column(name)
    twins = found.plan.twins()
    for planned in found.plan.tables:
        alike = {name: it.rows[0] for it in twins.get(planned.key, ()) for name in it.rows[1:]}
        for row in planned.rows:
            if row.variant is None and not row.missing:
                continue
            held = sum(key in found.held for key in row.trials.values())
            count = f"{held}/{len(row.trials)}" if row.trials else "-"
            note = f"one function with {alike[row.name]}" if row.name in alike else ""
            table.add_row(planned.number, row.name, count, row.missing or note)
    return table
