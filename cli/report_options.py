"""Options of the commands that read MLflow, each defined once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from tass_core.errors import ReportError
from tass_core.files import write_atomically

Command = TypeVar("Command", bound=Callable[..., Any])


def tracking_option(command: Command) -> Command:
    """Add ``--tracking-uri URI``."""
    return click.option(
        "--tracking-uri",
        metavar="URI",
        default=None,
        help="MLflow store or server. Default: MLFLOW_TRACKING_URI, or sqlite:///mlflow.db here.",
    )(command)


def sweep_option(command: Command) -> Command:
    """Add ``--sweep ID``."""
    return click.option(
        "--sweep",
        metavar="ID",
        default=None,
        help="Run id or name of one sweep. Default: for each table the latest that asked for it.",
    )(command)


def refuse_existing(paths: Iterable[Path], force: bool) -> None:
    """Refuse to replace a file or a filled folder without ``--force``.

    Raises:
        ReportError: one of the paths is there already.
    """
    for path in paths:
        if path.exists() and not force and not (path.is_dir() and not any(path.iterdir())):
            raise ReportError(f"--output {path} exists; choose another path or give --force")


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        partial.write_text(text)
