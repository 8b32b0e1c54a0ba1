"""The ``tass-cli`` command: its groups, and how errors reach a person."""

from __future__ import annotations

import importlib
import sys

import click

from tass_core.errors import TassError

# command -> (module, attribute, purpose); modules load only when their command is called,
# so that `tass-cli --help` does not wait for torch, Ray and MLflow.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "data": ("cli.data.group", "data", "Make, inspect and check datasets."),
    "sweep": ("cli.sweep", "sweep", "Run a sweep: the paper's tables, a grid or a search."),
    "plan": ("cli.plan", "plan", "Show what a sweep would run, without running it."),
    "train": ("cli.train", "train", "Train one trial and show its accuracy by question type."),
    "evaluate": ("cli.train", "evaluate_command", "Evaluate a checkpoint on a dataset."),
    "bench": ("cli.bench", "bench", "Measure this machine, for the estimates of plan."),
    "status": ("cli.status", "status", "Show running and past sweeps."),
    "best": ("cli.best", "best", "Rank the variants and export the best checkpoint."),
    "tables": ("cli.tables", "tables", "Render the paper's tables from MLflow."),
    "claims": ("cli.claims", "claims", "Check the paper's claims on your own runs."),
    "report": ("cli.report", "report", "Write one page about a sweep."),
    "show": ("cli.show", "show", "Draw where a checkpoint looked to answer a question."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one command, or None when there is none of that name."""
        if name not in COMMANDS:
            return None
        module, attribute, _purpose = COMMANDS[name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, _, purpose) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tass-lab")
def cli() -> None:
    """Search, ablate and defend the TASS model.

    Start with `tass-cli train` (one trial) or `tass-cli sweep ablations` (the paper's tables).
    """


def main() -> None:
    """Run the command line; a person's mistake ends with one message and exit code 2."""
    try:
        cli()
    except TassError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
