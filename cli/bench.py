"""``tass-cli bench``: how fast this machine trains, and how near that is to its limits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table

from cli.command import Command, option
from cli.display import duration
from cli.options import (
    OUTPUT,
    base_config,
    console,
    data_option,
    format_option,
    resolve_dataset,
    results,
    set_option,
)
from cli.train import check_device
from jobs.machine.bench import Bench, measure, write_bench
from jobs.machine.measured import bench_path
from tass_core.training.width import widths_up_to


@click.command(cls=Command)
@data_option
@set_option
@option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@option("--threads", type=click.IntRange(min=0), default=0, help="Default: all cores.")
@option(
    "--widths",
    "most",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Most members to fuse; 1, 2, 4, ... are tried.",
)
@option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    group=OUTPUT,
    help="Where to keep the figures as JSON. Default: where tass-cli plan looks for them.",
)
@format_option
def bench(
    data_path: Path | None,
    overrides: tuple[str, ...],
    device: str,
    threads: int,
    most: int,
    output: Path | None,
    output_format: str,
) -> None:
    """Measure steps against the machine's limits, and keep the figures for `tass-cli plan`.

    \b
    Example:
      tass-cli bench --threads 1
    """
    check_device(device)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    dataset = resolve_dataset(data_path)
    config = base_config(dataset, overrides)
    dataset.check(config)
    found = measure(dataset, config, device, widths_up_to(most), _say)
    path = output or bench_path()
    write_bench(path, found)
    if output_format == "json":
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        show(found, results())
    console.print(f"Kept in {path}", highlight=False, soft_wrap=True)


def _say(what: str) -> None:
    console.print(f"Measuring {what} ...", highlight=False)


def show(found: Bench, output: Console) -> None:
    """Print what was measured."""
    output.print(
        f"[bold]{found.device}[/bold], {found.threads} threads, torch {found.torch}, "
        f"{found.precision}: "
        f"matmul {found.matmul_flops / 1e9:.0f} GFLOP/s, "
        f"memory {found.bandwidth / 1e9:.1f} GB/s",
        highlight=False,
    )
    output.print(_steps(found))
    output.print(_widths(found))
    output.print(_layouts(found))
    trials, seconds = found.ablations_seconds()
    for name, value in (
        ("epoch", f"{found.dataset}: {60 / found.epoch_seconds:.1f} a minute, validation included"),
        ("start-up", f"{found.process_seconds:.1f} s a process, {found.pack_seconds:.2f} s a pack"),
        (
            "sweep ablations",
            f"about {duration(seconds)} at the paper's size: {trials} trials of 30 epochs",
        ),
    ):
        output.print(f"  {name:<16}{value}", highlight=False)


def _steps(found: Bench) -> Table:
    table = Table(title="A step", title_justify="left")
    table.add_column("shapes")
    for name in ("seconds", "useful GFLOP", "GFLOP/s", "of the matmul peak"):
        table.add_column(name, justify="right")
    for step in found.steps:
        table.add_row(
            step.name,
            f"{1 / step.rates[1]:.3f}",
            f"{step.flop / 1e9:.2f}",
            f"{step.flop * step.rates[1] / 1e9:.1f}",
            f"{100 * step.flop * step.rates[1] / found.matmul_flops:.0f}%",
        )
    return table


def _widths(found: Bench) -> Table:
    """Trials an hour, of the dataset's own epochs and of the paper's 30 of 31,927 questions."""
    table = Table(title="Trials an hour by members fused", title_justify="left")
    table.add_column("shapes")
    widths = sorted({width for step in found.steps for width in step.rates})
    for width in widths:
        table.add_column(str(width), justify="right")
    table.add_column("auto", justify="right")
    for step in found.steps:
        cells = [_hourly(found, step.name, width) for width in widths]
        table.add_row(step.name, *cells, str(step.width))
    return table


def _layouts(found: Bench) -> Table:
    """Trials an hour of several packs, none of them fused."""
    table = Table(title="Trials an hour by packs at once", title_justify="left")
    table.add_column("shapes")
    for name in ("packs", "threads each", "trials an hour", "GB a pack", "taken"):
        table.add_column(name, justify="right")
    for step in found.steps:
        for layout in step.layouts:
            table.add_row(
                step.name,
                str(layout.packs),
                str(layout.threads),
                f"{found.trials_per_hour_together(step, layout):.3g}",
                f"{layout.pack_bytes / 1e9:.1f}" if layout.pack_bytes else "",
                "yes" if layout == step.layout else "",
            )
    return table


def _hourly(found: Bench, name: str, width: int) -> str:
    rate = found.trials_per_hour(name, width)
    return "" if rate is None else f"{rate:.3g}"
