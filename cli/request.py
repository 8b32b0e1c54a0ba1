"""Options that ``sweep`` and ``plan`` share, gathered into one value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from cli.command import Command, option, refuse_typed, typed
from cli.options import (
    DEFAULT_SEEDS,
    WHAT,
    address_option,
    base_config,
    data_option,
    parse_seeds,
    resolve_dataset,
    set_option,
    storage_option,
    tracking_option,
)
from cli.searches import SEARCH_OPTIONS, SEARCH_SEEDS, take_search
from jobs.choices import Keep, Search
from jobs.cluster.resources import Resources
from jobs.machine.measured import bench_path, read_bench
from jobs.storage import Storage, open_storage
from search_spaces.document import Sweep
from search_spaces.expand import expand, narrow
from search_spaces.load import BUILT_IN, load
from search_spaces.plan import Plan, UntilDecided, empty_plan, make_growing_plan, make_plan
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import SweepError
from tass_core.training.fuse import parse_fuse
from tracking.uris import resolve_uri

PATIENCE = 20.0
"""Seconds for which a driver waits for a bucket that is away."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep on one dataset, as a person asked for it, checked."""

    source: str
    """The sweep's name, or its file."""
    dataset: Dataset
    plan: Plan
    search: Search | None
    resources: Resources
    sharing: str | None
    """A sentence on how the machine is shared, where that was measured."""
    storage: Storage
    keep: Keep
    checkpoint_every: int
    """Epochs from one save of a pack's state to the next."""
    tracking_uri: str
    max_hours: float | None
    """After which a sweep stops, or one that adds seeds gives none any more."""


UNTIL, RESOURCES = "Until decided", "Processes and machines"
"""Groups of options."""
FIRST, LAST = 3, 30
"""Seeds of every row at the first look, and the most of any row, unless somebody says so."""


class SweepCommand(Command):
    """A command about a sweep to run; its help ends with the built-in ones."""

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the built-in sweeps with their purpose."""
        with formatter.section("Built-in sweeps"):
            formatter.write_dl([(name, load(name).purpose) for name in BUILT_IN])


def _list(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Name the built-in sweeps and leave."""
    if wanted and not context.resilient_parsing:
        width = max(map(len, BUILT_IN))
        for name in BUILT_IN:
            click.echo(f"{name:<{width}}  {load(name).purpose}")
        context.exit()


_OPTIONS = (
    click.argument("sweep", metavar="SWEEP"),
    option(
        "--list",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list,
        group=WHAT,
        help="Name the built-in sweeps and what they are for.",
    ),
    option(
        "--seeds",
        metavar="LIST",
        group=WHAT,
        help="Seeds, such as 0,1,2. Default: the document's, or 0,1,2; 0,1,2,3 for a search.",
    ),
    option("--num-seeds", type=int, metavar="N", group=WHAT, help="Seeds 0 to N-1."),
    option(
        "--epochs",
        type=int,
        metavar="N",
        group=WHAT,
        help="Short for --set optimiser.epochs=N.",
    ),
    set_option,
    option("--tables", metavar="LIST", group=WHAT, help="Only these tables, such as 2,5."),
    *SEARCH_OPTIONS,
    option(
        "--until-decided",
        is_flag=True,
        group=UNTIL,
        help="Add seeds where they decide something, and stop when they have.",
    ),
    option(
        "--max-seeds",
        type=click.IntRange(min=FIRST),
        metavar="N",
        group=UNTIL,
        help=f"Most seeds of a row, fixed for the plan. Default: those of --seeds, or {LAST}.",
    ),
    option(
        "--max-hours",
        type=click.FloatRange(min=0.0, min_open=True),
        metavar="H",
        group=RESOURCES,
        help="Stop after so many hours, or, with --until-decided, give no seed any more; the same "
        "command goes on.",
    ),
    option(
        "--margin",
        type=click.FloatRange(min=0.0, min_open=True),
        metavar="M",
        group=UNTIL,
        help="Smallest difference worth naming, in points. Default: the document's, or 1.",
    ),
    option(
        "--pack-size",
        type=int,
        metavar="N",
        group=RESOURCES,
        help="Most trials in one process. Default: about four packs a slot, of 8 at most.",
    ),
    option(
        "--workers-per-pack",
        type=int,
        default=1,
        show_default=True,
        metavar="N",
        group=RESOURCES,
        help="Workers that share each batch of a pack.",
    ),
    option(
        "--cpus-per-worker",
        type=float,
        metavar="X",
        group=RESOURCES,
        help="CPUs of a worker. Default: what tass-cli bench found best here, or 1.",
    ),
    option(
        "--gpus-per-worker",
        type=float,
        metavar="X",
        group=RESOURCES,
        help="GPUs of a worker, or a share of one, such as 0.5. Default: 1 where there are GPUs.",
    ),
    option(
        "--fuse",
        metavar="N|auto|off",
        group=RESOURCES,
        help="Trials of a pack that take their steps as one: N, what a measurement at its start "
        "says, or none. Default: auto on GPUs, off on CPUs, where off keeps every bit.",
    ),
    option(
        "--keep",
        default="best",
        show_default=True,
        metavar="POLICY",
        group=RESOURCES,
        help="Checkpoints to keep: best (each trial's best epoch), top:N, or none.",
    ),
    option(
        "--checkpoint-every",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        group=RESOURCES,
        help="Epochs from one save of a pack's state to the next.",
    ),
    data_option,
    storage_option,
    tracking_option,
    address_option,
)


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SWEEP and all that decides what runs where; pass
    a ``SweepRequest`` for each dataset.

    SWEEP is the name of a built-in sweep or a TOML file.
    """

    @functools.wraps(command)
    def gather(**given: Any) -> Any:
        requests = _requests(given)
        return command(requests, **given)

    wrapped: Callable[..., Any] = gather
    for add in reversed(_OPTIONS):
        wrapped = add(wrapped)
    return wrapped


def _requests(given: dict[str, Any]) -> list[SweepRequest]:
    """Take what belongs to a sweep out of the given options, and check it on each dataset."""
    take = given.pop
    resources = Resources(
        take("pack_size"),
        take("workers_per_pack"),
        take("cpus_per_worker"),
        take("gpus_per_worker"),
        take("address"),
        parse_fuse(fuse) if (fuse := take("fuse")) is not None else None,
    )
    source = take("sweep")
    sweep = load(source)
    until, max_hours = _until(sweep, given), take("max_hours")
    keep = Keep.parse(take("keep"))
    storage = open_storage(take("storage"), resources.workers_per_pack, PATIENCE)
    search = take_search(sweep, given)
    default = sweep.seeds or (DEFAULT_SEEDS if search is None else SEARCH_SEEDS)
    if until is not None and len(default) < until.last:
        default = tuple(range(until.last))
    seeds = parse_seeds(take("seeds"), take("num_seeds"), default)
    if search is not None and until is not None:
        raise SweepError("--until-decided adds seeds to the rows of a grid; a search has none")
    if search is not None and len(seeds) == 1:
        refuse_typed("the search uses the only seed; give --num-seeds 4", "confirm")
    changes = _changes(take("overrides"), take("epochs"))
    tables, tracking_uri = take("tables"), resolve_uri(take("tracking_uri"))
    measured = read_bench(bench_path())
    checkpoint_every, requests = take("checkpoint_every"), []
    for folder in _folders(sweep, take("data_path")):
        dataset = resolve_dataset(folder)
        base = base_config(dataset, changes, sweep.base)
        shared, sharing = resources, None
        if measured is not None:
            # Here, not above: it loads torch, for which a plan without figures does not wait.
            from jobs.machine.sharing import share_machine

            shared, sharing = share_machine(resources, measured, base, dataset.shapes(base))
        requests.append(
            SweepRequest(
                source=source,
                dataset=dataset,
                plan=_plan(sweep, base, seeds, dataset, tables, search, until),
                search=search,
                resources=shared,
                sharing=sharing,
                storage=storage,
                keep=keep,
                checkpoint_every=checkpoint_every,
                tracking_uri=tracking_uri,
                max_hours=max_hours,
            )
        )
    return requests


def _folders(sweep: Sweep, given: Path | None) -> Sequence[Path | None]:
    """Return the datasets' folders: what was typed, the document's, or the environment's."""
    if sweep.datasets and not typed("data_path"):
        return [Path(folder) for folder in sweep.datasets]
    return [given]


def _until(sweep: Sweep, given: dict[str, Any]) -> UntilDecided | None:
    """Take what belongs to a sweep that adds seeds out of the given options."""
    take = given.pop
    wanted, last = take("until_decided"), take("max_seeds")
    margin = take("margin")
    if not wanted:
        refuse_typed("it is about --until-decided, which is not given", group=UNTIL)
        return None
    if last is None:
        listed = given["seeds"].count(",") + 1 if given["seeds"] else given["num_seeds"]
        last = listed or LAST
    if last < FIRST:
        raise SweepError(f"--until-decided looks first at {FIRST} seeds; give {FIRST} or more")
    return UntilDecided(margin=margin or sweep.margin, first=FIRST, last=last)


def _changes(overrides: tuple[str, ...], epochs: int | None) -> tuple[str, ...]:
    if epochs is None:
        return overrides
    if any(text.partition("=")[0].strip() == "optimiser.epochs" for text in overrides):
        raise SweepError(f"--epochs {epochs} is short for --set optimiser.epochs; give one of them")
    return (*overrides, f"optimiser.epochs={epochs}")


def _plan(
    sweep: Sweep,
    base: TrialConfig,
    seeds: tuple[int, ...],
    dataset: Dataset,
    tables: str | None,
    search: Search | None,
    until: UntilDecided | None,
) -> Plan:
    numbers = [part.strip() for part in (tables or "").split(",") if part.strip()]
    if search is not None:
        if numbers:
            raise SweepError("--tables chooses among the tables of a grid; a search has none")
        asked = replace(sweep, objectives=search.objectives, constraints=search.constraints)
        return empty_plan(asked, dataset, base, seeds)
    narrowed = narrow(expand(sweep, dataset.segments), numbers)
    if until is None:
        return make_plan(narrowed, dataset, base, seeds)
    if len(seeds) < until.last:
        raise SweepError(f"--max-seeds {until.last} needs as many seeds; --seeds has {len(seeds)}")
    return make_growing_plan(narrowed, dataset, base, seeds, until)
