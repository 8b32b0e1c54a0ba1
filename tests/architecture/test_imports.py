"""Imports point one way, each library has its home, and nothing shadows the libraries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

ALLOWED = {
    "tass_core": set(),
    "search_spaces": {"tass_core"},
    "tracking": {"search_spaces", "tass_core"},
    "evidence": {"tracking", "search_spaces", "tass_core"},
    "jobs": {"evidence", "tracking", "search_spaces", "tass_core"},
    "reports": {"evidence", "tracking", "search_spaces", "tass_core"},
    "cli": {"reports", "jobs", "evidence", "tracking", "search_spaces", "tass_core"},
}
"""Package -> those below it."""

HOMES = {
    "ray": (
        *("jobs/cluster", "jobs/worker/entry.py", "jobs/worker/relay.py"),
        *("jobs/driver/tune.py", "jobs/extract.py"),
    ),
    "mlflow": tuple(f"tracking/{name}.py" for name in ("attach", "connect", "server", "writer")),
    "sqlalchemy": ("tracking/database.py", "tracking/server.py"),
    "optuna": (
        *("jobs/driver/study.py", "jobs/driver/study_writer.py", "jobs/driver/proposals.py"),
        "jobs/driver/samplers.py",
        "reports/searches.py",
    ),
    "boto3": ("jobs/storage/bucket.py",),
    "botocore": ("jobs/storage/bucket.py",),
    "matplotlib": ("reports",),
    "jinja2": ("reports/render",),
    "markupsafe": ("reports/render",),
    "rich": ("cli", "reports/render/terminal.py"),
    "click": ("cli",),
    "torch": ("tass_core", "tracking/provenance.py", "jobs", "reports/attention", "cli"),
}
"""Library -> the folders and files that may import it."""

HEAVY = {
    "torch": (
        *("cli.status", "cli.stop", "cli.tables", "cli.claims", "cli.best", "cli.sweep"),
        "cli.plan",
    ),
    "mlflow": ("cli.status", "cli.tables", "cli.claims", "cli.best", "cli.sweep", "cli.plan"),
    "ray": ("cli.status", "cli.tables", "cli.claims", "cli.best", "cli.sweep", "cli.plan"),
    "optuna": ("cli.status", "cli.tables", "cli.claims", "cli.best", "cli.sweep", "cli.plan"),
    "scipy.stats": ("cli.status", "cli.tables", "cli.claims", "cli.best", "cli.sweep", "cli.plan"),
    "pandas": ("cli.status", "cli.tables", "cli.claims", "cli.best", "cli.sweep", "cli.plan"),
    "numpy": ("cli.status",),
}
"""Library that takes long to load -> modules of commands that start without it."""

FILES = [path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Return the packages that a file imports, those for type checking alone left out."""
    tree = ast.parse(path.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in set(ast.walk(tree)) - typing:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package):
    for path in (ROOT / package).rglob("*.py"):
        ours = imported(path) & ALLOWED.keys() - {package}
        assert ours <= ALLOWED[package], f"{path} imports {ours - ALLOWED[package]}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_only_where_it_is_at_home(library):
    homes = [ROOT / home for home in HOMES[library]]
    for path in FILES:
        if library in imported(path):
            assert any(path.is_relative_to(home) for home in homes), f"{path} imports {library}"


@pytest.mark.parametrize("command", sorted({it for found in HEAVY.values() for it in found}))
def test_a_command_waits_only_for_the_libraries_that_it_needs(command):
    banned = {library for library, commands in HEAVY.items() if command in commands}
    program = f"import sys, {command}; print(*sorted({banned} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_deployment_folder_is_no_package():
    assert not (ROOT / "mlflow" / "__init__.py").exists()
