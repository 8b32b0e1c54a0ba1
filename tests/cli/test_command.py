"""The command line as a whole: every option explained, none ignored, none promised in vain."""

import ast
import os
import re
import sys
from pathlib import Path

import click
import pytest

from cli.command import PACKAGES, Option
from cli.main import cli
from tests import ROOT
from tests.cli.conftest import SMALL

OTHERS = {
    *("--allowed-hosts", "--backend-store-uri", "--experiment-id", "--head", "--index-url"),
    "--no-deps",
}
"""Options of mlflow's, pip's and ray's commands, which our messages name."""


def commands(group=cli, prefix=()):
    """Return every command by its name, as it is typed after tass-cli."""
    found = {}
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if isinstance(command, click.Group):
            found |= commands(command, (*prefix, name))
        else:
            found[" ".join((*prefix, name))] = command
    return found


COMMANDS = commands()
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def options(name):
    params = COMMANDS[name].params
    return {"--help"} | {word for p in params for word in (*p.opts, *p.secondary_opts)}


def named(text):
    """Return the options that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


def texts(path):
    """Return the literal texts of a module, its docstrings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and str is type(n.value)]


def others(text):
    """Return the commands that a text shows how to type."""
    return [name for name in COMMANDS if f"tass-cli {name} " in text]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_a_group(name):
    for param in COMMANDS[name].params:
        if isinstance(param, click.Option):
            assert isinstance(param, Option), param.name
            assert param.help, param.name
    page = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    assert "General:" in page
    assert "--quiet" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_no_option_that_the_command_lacks(name):
    command = COMMANDS[name]
    said = [command.help, *(getattr(param, "help", None) for param in command.params)]
    text = " ".join(filter(None, said))

    assert named(text) <= options(name).union(*map(options, others(text)))


@pytest.mark.parametrize(
    "path",
    [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_messages_name_no_option_that_nobody_has(path):
    everywhere = OTHERS.union(*map(options, COMMANDS))
    own = {name for name, command in COMMANDS.items() if _module(command) == path}
    allowed = OTHERS.union(*map(options, own)) if own else everywhere

    for text in texts(path):
        assert named(text) <= allowed.union(*map(options, others(text))), text


def _module(command):
    return Path(sys.modules[command.callback.__module__].__file__)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_documents_name_no_command_or_option_that_is_not_there(path):
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"tass-cli ([^`#\n]*)", text):
        words = line.split()
        name = " ".join(words[: 2 if words[:1] and words[0] in GROUPS else 1])
        if re.fullmatch(r"[a-z]+( [a-z]+)?", name) and name not in GROUPS:
            assert name in COMMANDS, line
            assert named(line) <= options(name), line


SEARCH = [param for param in COMMANDS["plan"].params if getattr(param, "group", "") == "Search"]


@pytest.mark.parametrize("param", SEARCH, ids=lambda param: param.opts[0])
def test_option_of_a_search_is_refused_for_a_grid(shell, param):
    value = [] if param.is_flag else [param.default if isinstance(param.default, int | str) else 3]

    _, err = shell("sweep", "tau", "--data", "world", param.opts[0], *value, code=2)

    assert err.startswith(f"Error: {param.opts[0]} has no effect here: sweep 'tau' trains every")
    assert "--search optuna" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("sweep", "ablations", "--trials", "4"), "it has no space to search; leave it out"),
        (("plan", "joint", "--pruner", "none", "--eta", "4"), "--eta has no effect here"),
        (("plan", "joint", "--seeds", "0", "--confirm", "2"), "--confirm has no effect here"),
        (
            ("plan", "tau", "--epochs", "3", "--set", "optimiser.epochs=2"),
            "--epochs 3 is short for --set optimiser.epochs; give one of them",
        ),
        (
            ("sweep", "tau", "--data", "world", "--force"),
            "it is about --output, which is not given",
        ),
        (
            (
                *("data", "extract", "--videos", "v", "--questions", "q", "--output", "o"),
                *("--untrained", "--weights", "w"),
            ),
            "--weights has no effect here: lite's come in packages, and --untrained draws them",
        ),
        (("tables", "--force"), "it is about --output"),
        (("claims", "--force"), "it is about --output"),
        (("best", "--force"), "it is about --export"),
        (("best", "--data", "world"), "it is about --export"),
        (("tables", "--format", "json", "--output", "t.md"), "t.md is not --format json"),
        (("tables", "--output", "t.docx"), "its ending must be one of .txt, .md, .tex"),
        (("claims", "--output", "c.docx"), "its ending must be one of .txt, .md, .json"),
    ],
)
def test_what_would_be_ignored_is_refused(shell, args, message):
    assert message in shell(*args, code=2)[1]


def test_places_come_from_the_environment_unless_typed(swept, monkeypatch):
    monkeypatch.setattr("tests.cli.conftest.PLACES", ())
    monkeypatch.setenv("TASS_DATA", "world")
    monkeypatch.setenv("TASS_STORAGE", "elsewhere")
    monkeypatch.setenv("TASS_TRACKING_URI", "sqlite:///absent.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///neither.db")

    assert "0 held" in swept("plan", "tau", *SMALL)[0]
    typed, _ = swept("plan", "tau", *SMALL, "--tracking-uri", "sqlite:///mlflow.db")
    assert "nothing to train" in typed
    monkeypatch.setenv("TASS_ADDRESS", "nowhere")
    assert "--address nowhere" in swept("plan", "tau", code=2)[1]


def test_the_environments_dataset_gives_way_to_a_documents(shell, monkeypatch):
    monkeypatch.setattr("tests.cli.conftest.PLACES", ())
    monkeypatch.setenv("TASS_DATA", "nowhere")
    (shell.folder / "placed.toml").write_text('dataset = "world"\npaper = ["table6"]\n')

    assert "'tiny'" in shell("plan", "placed.toml")[0]


def test_quiet_prints_results_alone(own):
    _, err = own.sweep("tau", "--quiet")

    assert err == ""


def test_verbose_says_where_an_error_arose(shell, caplog):
    shell("plan", "tau", "--data", "nowhere", code=2)
    assert not caplog.records

    shell("plan", "tau", "--data", "nowhere", "-v", code=2)
    assert "read_description" in caplog.text


def test_answering_no_is_no_mistake(own, monkeypatch):
    theirs, ours = os.openpty()
    os.write(theirs, b"n\n")
    with os.fdopen(ours) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        _, err = own.sweep("tau", "--seeds", "7", "--epochs", "100000", code=3)
    os.close(theirs)

    assert "Not started." in err
    assert "Error" not in err
