"""The ``tass-cli`` command: its groups, and how errors reach a person."""

from __future__ import annotations

import logging
import sys

import click

from cli.lazy import LazyGroup, Place
from tass_core.errors import TassError

logger = logging.getLogger(__name__)

COMMANDS = {
    "data": Place("cli.data.group", "data", "Make, inspect and check datasets."),
    "sweep": Place("cli.sweep", "sweep", "Run a sweep: the paper's tables, a grid or a search."),
    "plan": Place("cli.plan", "plan", "Show what a sweep would run, without running it."),
    "new": Place("cli.new", "new", "Write the document of a sweep of your own."),
    "train": Place("cli.train", "train", "Train one trial and show its accuracy by question type."),
    "evaluate": Place("cli.train", "evaluate_command", "Evaluate a checkpoint on a dataset."),
    "bench": Place("cli.bench", "bench", "Measure this machine, for the estimates of plan."),
    "status": Place("cli.status", "status", "Show running and past sweeps."),
    "stop": Place("cli.stop", "stop", "Ask a running sweep to stop, from any machine."),
    "sync": Place("cli.sync", "sync", "Tell MLflow again what a storage knows."),
    "gc": Place("cli.gc", "gc", "Show what of a storage no sweep needs, or remove it."),
    "best": Place("cli.best", "best", "Rank the variants and export the best checkpoint."),
    "tables": Place("cli.tables", "tables", "Render the paper's tables from MLflow."),
    "claims": Place("cli.claims", "claims", "Check the paper's claims on your own runs."),
    "report": Place("cli.report", "report", "Write one page about a sweep."),
    "import": Place("cli.importing", "importing", "Take results of others, beside one's own."),
    "show": Place("cli.show", "show", "Draw where a checkpoint looked to answer a question."),
}


@click.group(
    cls=LazyGroup, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="tass-lab")
def cli() -> None:
    """Search, ablate and defend the TASS model.

    Start with `tass-cli train` (one trial) or `tass-cli sweep ablations` (the paper's tables).
    """


INTERRUPTED = 130
"""Exit code of a command that Ctrl-C stopped."""


def main() -> None:
    """Run the command line; a person's mistake ends with one message and exit code 2."""
    try:
        code = cli(prog_name="tass-cli", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except TassError as error:
        logger.debug("where it arose", exc_info=error)
        click.echo(f"Error: {error}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        code = INTERRUPTED
    sys.exit(code)
