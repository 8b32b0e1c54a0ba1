"""What every command shares: options in groups, -v and -q, and no option that is ignored."""

from __future__ import annotations

import functools
import logging
from typing import Any

import click
from click.core import ParameterSource

from tass_core.errors import TassError

PACKAGES = ("tass_core", "search_spaces", "tracking", "evidence", "jobs", "reports", "cli")
GENERAL = "General"
"""Options that every command has; they come last."""


class Option(click.Option):
    """An option in a group of its command's help.

    Args:
        group: the group's heading.
    """

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        kwargs["show_envvar"] = True
        super().__init__(*args, **kwargs)
        self.group = group


option = functools.partial(click.option, cls=Option)


class Command(click.Command):
    """A command whose help shows its options by group, in the order in which they are declared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            Option(
                ["-v", "--verbose"],
                is_flag=True,
                expose_value=False,
                callback=_verbose,
                group=GENERAL,
                help="Say more: remarks of every part, and where in the code an error arose.",
            ),
            Option(
                ["-q", "--quiet"],
                is_flag=True,
                expose_value=False,
                callback=_quiet,
                group=GENERAL,
                help="Print results and errors alone, no progress.",
            ),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list of options for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                groups.setdefault(getattr(param, "group", GENERAL), []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def typed(name: str) -> bool:
    """Whether a parameter of the running command was typed, rather than left to its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def refuse_typed(reason: str, *names: str, group: str | None = None) -> None:
    """Refuse options of the running command that would be ignored.

    Args:
        reason: why, and what to do.
        names: their parameters.
        group: all options of this group as well.

    Raises:
        TassError: one of them was typed.
    """
    for param in click.get_current_context().command.params:
        meant = param.name in names or (group is not None and getattr(param, "group", "") == group)
        if meant and param.name is not None and typed(param.name):
            raise TassError(f"{max(param.opts, key=len)} has no effect here: {reason}")


def _verbose(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.DEBUG if wanted else logging.NOTSET)
    if wanted:
        logging.basicConfig(format="%(name)s: %(message)s")


def _quiet(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    # Here, not above: help is written without rich.
    from cli.options import console

    console.quiet = wanted
