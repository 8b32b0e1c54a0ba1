"""Lists of commands: what they say without loading a command is true of it."""

import subprocess
import sys

import click
import pytest

from cli.data.group import data
from cli.main import cli
from tests import ROOT


@pytest.mark.parametrize("group", [cli, data], ids=["tass-cli", "tass-cli data"])
def test_every_listed_command_is_there(group):
    context = click.Context(group)
    for name in group.list_commands(context):
        assert group.get_command(context, name).help
    assert group.get_command(context, "none") is None


def test_help_loads_no_command():
    program = (
        "import sys\nfrom cli.main import cli\n"
        "for words in (['--help'], ['data', '--help']):\n"
        "    cli(words, standalone_mode=False)\n"
        "assert not {'torch', 'ray', 'mlflow', 'h5py'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "Draw where a checkpoint looked" in done.stdout
    assert "Make a dataset from videos" in done.stdout
