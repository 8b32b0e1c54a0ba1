"""Imports point one way, and nothing shadows the libraries."""

import ast
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
FOREIGN = {
    "tass_core": {"ray", "mlflow", "optuna", "click"},
    "search_spaces": {"ray", "mlflow", "click"},
    "reports": {"ray", "click"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
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
        strange = imported(path) & FOREIGN.get(package, set())
        assert not strange, f"{path} imports {strange}"


def test_the_deployment_folder_is_no_package():
    assert not (ROOT / "mlflow" / "__init__.py").exists()
