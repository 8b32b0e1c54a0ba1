"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from cli.command import option
from search_spaces.load import load
from tass_core.config import TrialConfig
from tass_core.errors import ReportError, SweepError
from tass_core.files import write_atomically

if TYPE_CHECKING:
    from tass_core.data.folder.dataset import Dataset

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_SEEDS = (0, 1, 2)
"""As many as a verdict needs."""
DEMO = Path("data") / "demo"
console = Console(stderr=True, soft_wrap=True)
"""Progress and remarks; results go to standard output."""

WHAT, PLACES, OUTPUT = "What to run", "Where things are", "Output"
"""Groups of options that several commands have."""
WIDE = 160
"""Columns of a printed result where no terminal says how many there are."""


def results() -> Console:
    """Return the console that results are printed on: standard output as it is now."""
    return Console(width=None if sys.stdout.isatty() else WIDE)


def data_option(command: Function) -> Function:
    """Add ``--data DIR``; without it the embedded demo world is used."""
    return option(
        "--data",
        "data_path",
        type=click.Path(path_type=Path),
        default=None,
        metavar="DIR",
        envvar="TASS_DATA",
        group=PLACES,
        help=f"Dataset folder. Default: the embedded demo world, made in {DEMO} on first use.",
    )(command)


def storage_option(command: Function) -> Function:
    """Add ``--storage PATH``."""
    return option(
        "--storage",
        default="tass-runs",
        show_default=True,
        metavar="PATH",
        envvar="TASS_STORAGE",
        group=PLACES,
        help="Where packs and checkpoints live: a folder, or a URI such as s3://bucket/folder.",
    )(command)


def address_option(command: Function) -> Function:
    """Add ``--address ADDRESS``."""
    return option(
        "--address",
        metavar="ADDRESS",
        envvar="TASS_ADDRESS",
        group=PLACES,
        help="An existing Ray cluster, or auto. Default: this machine.",
    )(command)


def set_option(command: Function) -> Function:
    """Add ``--set key=value``, repeatable."""
    return option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        group=WHAT,
        help="Change a config field, for instance --set model.tau=0.02. Repeatable.",
    )(command)


def rendering_option(formats: Iterable[str]) -> Callable[[Function], Function]:
    """Add ``--format``, one of some, which the ending of ``--output`` may say as well."""
    return option(
        "--format",
        "output_format",
        type=click.Choice(list(formats)),
        group=OUTPUT,
        help="How to render. Default: what the ending of --output says, or rich.",
    )


def output_option(text: str, metavar: str = "FILE") -> Callable[[Function], Function]:
    """Add ``--output`` and ``--force``; ``refuse_existing`` asks for the second."""

    def add(command: Function) -> Function:
        path = click.Path(path_type=Path)
        return option("--output", type=path, metavar=metavar, group=OUTPUT, help=text)(
            force_option(command)
        )

    return add


def format_option(command: Function) -> Function:
    """Add ``--format text|json``."""
    return option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        group=OUTPUT,
        help="How to print the result.",
    )(command)


def tracking_option(command: Function) -> Function:
    """Add ``--tracking-uri URI``."""
    return option(
        "--tracking-uri",
        metavar="URI",
        default=None,
        envvar=["TASS_TRACKING_URI", "MLFLOW_TRACKING_URI"],
        group=PLACES,
        help="MLflow store or server. Default: sqlite:///mlflow.db here.",
    )(command)


def force_option(command: Function) -> Function:
    """Add ``--force``."""
    return option(
        "--force", is_flag=True, group=OUTPUT, help="Replace what is at --output already."
    )(command)


def margin_option(command: Function) -> Function:
    """Add ``--margin M``."""
    return option(
        "--margin",
        type=click.FloatRange(min=0.0, min_open=True),
        metavar="M",
        default=None,
        group=OUTPUT,
        help="Smallest difference worth naming, in points. Default: the sweep's own, or 1.",
    )(command)


def past_sweep(command: Function) -> Function:
    """Add the argument SWEEP of commands that read; pass its name or run id as ``sweep``."""

    @functools.wraps(command)
    def named(*, sweep: str | None, **given: Any) -> Any:
        source = sweep is not None and sweep.endswith(".toml") and Path(sweep)
        return command(sweep=load(source).name if source else sweep, **given)

    return click.argument("sweep", required=False, metavar="[SWEEP]")(named)  # type: ignore[return-value]


def resolve_dataset(path: Path | None) -> Dataset:
    """Open the dataset at ``path``, or the demo world, which is made when it is not there yet.

    Raises:
        DataError: there is no usable dataset at ``path``.
    """
    # Here, not above: commands that only read MLflow start without torch.
    from tass_core.data.folder.dataset import open_dataset
    from tass_core.data.world.make import make_world

    if path is not None:
        return open_dataset(path)
    if not DEMO.exists():
        console.print(f"Making the embedded demo world in {DEMO} (procedural, once) ...")
        make_world("demo", DEMO, seed=0)
    return open_dataset(DEMO)


def base_config(
    dataset: Dataset, overrides: tuple[str, ...], document: Mapping[str, Any] | None = None
) -> TrialConfig:
    """Return the paper's config, adapted by the dataset's own settings, then by those of a
    sweep's document, then by ``--set``."""
    ours = TrialConfig().with_values(dataset.base).with_values(document or {})
    return ours.with_overrides(overrides)


def parse_seeds(
    seeds: str | None, num_seeds: int | None, default: tuple[int, ...] = DEFAULT_SEEDS
) -> tuple[int, ...]:
    """Return the seeds of ``--seeds 0,1,2`` or of ``--num-seeds 3``, or the default.

    Raises:
        SweepError: both are given, or one is malformed.
    """
    if seeds is not None and num_seeds is not None:
        raise SweepError("--seeds and --num-seeds exclude each other; give one of them")
    if num_seeds is not None:
        if num_seeds < 1:
            raise SweepError(f"--num-seeds {num_seeds} is out of range; allowed: 1 or more")
        return tuple(range(num_seeds))
    if seeds is None:
        return default
    try:
        chosen = tuple(int(part) for part in seeds.split(","))
    except ValueError:
        chosen = ()
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise SweepError(
            f"--seeds {seeds}: allowed are different whole numbers from 0, such as 0,1,2"
        )
    return chosen


def refuse_existing(paths: Iterable[Path], force: bool) -> None:
    """Refuse to replace a file or a filled folder without ``--force``.

    Raises:
        ReportError: one of the paths is there already.
    """
    for path in paths:
        if path.exists() and not force and not (path.is_dir() and not any(path.iterdir())):
            raise ReportError(f"{path} exists; choose another path or give --force")


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        partial.write_text(text)
