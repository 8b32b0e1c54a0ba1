"""Commands whose repeatable options take several values after one name."""

from __future__ import annotations

import click

from cli.command import Command


class VariadicCommand(Command):
    """A command for which ``--questions a b c`` means ``--questions a --questions b ...``.

    Every option declared with ``multiple=True`` takes all values up to the next option. The
    command can have no positional arguments.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option's name before each of its values, then parse as usual."""
        options = [param for param in self.params if isinstance(param, click.Option)]
        names = {name for option in options if option.multiple for name in option.opts}
        return super().parse_args(ctx, _repeat_names(args, names))


def _repeat_names(args: list[str], names: set[str]) -> list[str]:
    spread: list[str] = []
    current: str | None = None
    values = 0
    for arg in args:
        if arg.startswith("-"):
            current, values = (arg if arg in names else None), 0
            spread.append(arg)
            continue
        if current is not None and values:
            spread.append(current)
        spread.append(arg)
        values += 1
    return spread
