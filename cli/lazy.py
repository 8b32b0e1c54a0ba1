"""Groups of commands whose modules load only when their command is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Place(NamedTuple):
    """Where a command is, and what it is for."""

    module: str
    attribute: str
    purpose: str


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for.

    Help lists the commands without them: it does not wait for torch, Ray and MLflow.

    Args:
        places: the commands by name, in the order of their use.
    """

    def __init__(self, *args: Any, places: Mapping[str, Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places = places

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use."""
        return list(self.places)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one command, or None when there is none of that name."""
        if name not in self.places:
            return None
        place = self.places[name]
        command = getattr(importlib.import_module(place.module), place.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.purpose) for name, place in self.places.items()])
