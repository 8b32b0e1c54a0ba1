"""Options that ``sweep`` and ``plan`` share, gathered into one value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.options import (
    DEFAULT_SEEDS,
    base_config,
    data_option,
    parse_seeds,
    resolve_dataset,
    set_option,
    tracking_option,
)
from jobs.choices import Keep, Search
from jobs.cluster.resources import Resources
from jobs.machine.bench import bench_path, read_bench
from jobs.machine.sharing import share_machine
from jobs.storage import Storage, open_storage
from search_spaces.document import Sweep
from search_spaces.expand import expand, narrow
from search_spaces.load import BUILT_IN, load
from search_spaces.plan import Plan, empty_plan, make_plan
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import SweepError
from tass_core.training.bracket import Halving
from tass_core.training.fuse import parse_fuse
from tracking.connect import resolve_uri


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep as a person asked for it, checked."""

    dataset: Dataset
    plan: Plan
    search: Search | None
    resources: Resources
    sharing: str | None
    """A sentence on how the machine is shared, where that was measured."""
    storage: Storage
    keep: Keep
    tracking_uri: str


BUDGET = 32
"""Trials of a search when nobody says how many."""


def _list(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Name the built-in sweeps and leave."""
    if wanted and not context.resilient_parsing:
        width = max(map(len, BUILT_IN))
        for name in BUILT_IN:
            click.echo(f"{name:<{width}}  {load(name).purpose}")
        context.exit()


_OPTIONS = (
    click.argument("sweep", metavar="SWEEP"),
    click.option(
        "--list",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list,
        help="Name the built-in sweeps and what they are for.",
    ),
    data_option,
    click.option(
        "--seeds", metavar="LIST", help="Seeds, such as 0,1,2. Default: the document's, or 0,1."
    ),
    click.option("--num-seeds", type=int, metavar="N", help="Seeds 0 to N-1."),
    click.option("--epochs", type=int, help="Short for --set optimiser.epochs=N."),
    set_option,
    click.option("--tables", "tables", metavar="LIST", help="Only these tables, such as 2,5."),
    click.option(
        "--search",
        "search",
        type=click.Choice(["grid", "optuna"]),
        help="Enumerate the paper's grid, or search the space. Default: grid where there is one.",
    ),
    click.option("--trials", type=int, help="Budget of a search. Default: the document's, or 32."),
    click.option("--eta", type=int, default=3, show_default=True, help="Halving keeps 1/eta."),
    click.option("--min-epochs", type=int, default=2, show_default=True, help="First rung."),
    click.option("--no-halving", is_flag=True, help="Search without pruning."),
    click.option(
        "--confirm",
        type=int,
        default=5,
        show_default=True,
        help="Best variants of a search to train with all the seeds.",
    ),
    click.option(
        "--study-storage",
        metavar="URL",
        help="Optuna storage. Default: optuna.db beside the tracking database.",
    ),
    click.option("--pack-size", type=int, metavar="N", help="Most trials in one process."),
    click.option("--workers-per-pack", type=int, default=1, show_default=True, metavar="N"),
    click.option(
        "--cpus-per-worker",
        type=float,
        metavar="X",
        help="Default: what tass-cli bench found best here, or 1.",
    ),
    click.option("--gpus-per-worker", type=float, default=0.0, show_default=True, metavar="X"),
    click.option(
        "--fuse",
        metavar="N|auto|off",
        help="Trials of a pack that take their steps as one: N, what a measurement at its start "
        "says, or none. Default: auto on GPUs, off on CPUs, where off keeps every bit.",
    ),
    click.option("--address", metavar="ADDRESS", help="An existing Ray cluster, or auto."),
    click.option(
        "--storage",
        "storage",
        default="tass-runs",
        show_default=True,
        metavar="PATH",
        help="Where packs and checkpoints live: a folder, or a URI such as s3://bucket/folder.",
    ),
    click.option(
        "--keep",
        default="best",
        show_default=True,
        metavar="POLICY",
        help="Checkpoints to keep: best (each trial's best epoch), top:N, or none.",
    ),
    tracking_option,
)


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SWEEP and all that decides what runs where; pass a ``SweepRequest``.

    SWEEP is the name of a built-in sweep or a TOML file.
    """

    @functools.wraps(command)
    def gather(**given: Any) -> Any:
        request = _request(given)
        return command(request, **given)

    wrapped: Callable[..., Any] = gather
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _request(given: dict[str, Any]) -> SweepRequest:
    """Take what belongs to a sweep out of the given options, and check it."""
    take = given.pop
    resources = Resources(
        take("pack_size"),
        take("workers_per_pack"),
        take("cpus_per_worker"),
        take("gpus_per_worker"),
        take("address"),
        parse_fuse(fuse) if (fuse := take("fuse")) is not None else None,
    )
    sweep = load(take("sweep"))
    seeds = parse_seeds(take("seeds"), take("num_seeds"), sweep.seeds or DEFAULT_SEEDS)
    keep = Keep.parse(take("keep"))
    storage = open_storage(take("storage"), resources.workers_per_pack)
    search = _search(sweep, given)
    dataset = resolve_dataset(take("data_path") or (Path(sweep.dataset) if sweep.dataset else None))
    changes = (*take("overrides"), *_epochs(take("epochs")))
    base = base_config(dataset, changes, sweep.base)
    plan = _plan(sweep, base, seeds, dataset, take("tables"), search)
    measured = read_bench(bench_path())
    resources, sharing = share_machine(resources, measured, base, dataset.shapes(base))
    return SweepRequest(
        dataset=dataset,
        plan=plan,
        search=search,
        resources=resources,
        sharing=sharing,
        storage=storage,
        keep=keep,
        tracking_uri=resolve_uri(take("tracking_uri")),
    )


def _epochs(epochs: int | None) -> tuple[str, ...]:
    return () if epochs is None else (f"optimiser.epochs={epochs}",)


def _search(sweep: Sweep, given: dict[str, Any]) -> Search | None:
    """Take what belongs to a search out of the given options; return None for a grid."""
    take = given.pop
    halving = Halving(take("eta"), take("min_epochs"))
    search = Search(
        take("trials") or sweep.budget or BUDGET,
        None if take("no_halving") else halving,
        take("confirm"),
        take("study_storage"),
    )
    return search if _searches(sweep, take("search")) else None


def _searches(sweep: Sweep, search: str | None) -> bool:
    """Whether to search; a sweep without a grid always does, one without a space never."""
    if search == "optuna" and not sweep.space:
        raise SweepError(f"--search optuna: sweep '{sweep.name}' has no space to search")
    if search == "grid" and not sweep.enumerates:
        raise SweepError(f"--search grid: sweep '{sweep.name}' has no grid; it always searches")
    return search == "optuna" or not sweep.enumerates


def _plan(
    sweep: Sweep,
    base: TrialConfig,
    seeds: tuple[int, ...],
    dataset: Dataset,
    tables: str | None,
    search: Search | None,
) -> Plan:
    numbers = [part.strip() for part in (tables or "").split(",") if part.strip()]
    if search is not None:
        if numbers:
            raise SweepError("--tables chooses among the tables of a grid; a search has none")
        return empty_plan(sweep, dataset, base, seeds)
    return make_plan(narrow(expand(sweep, dataset.segments), numbers), dataset, base, seeds)
