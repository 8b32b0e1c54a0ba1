"""A name has one home: nobody imports it from a module that imports it itself."""

import ast
from functools import cache

import pytest

from tests import ROOT

ROOMS = (
    *("tass_core", "search_spaces", "tracking", "evidence", "jobs", "reports", "cli"),
    *("benchmarks", "tests"),
)


@cache
def borrowed(module: str) -> frozenset[str]:
    """Return the names that a module of ours imports from another."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not module.startswith(ROOMS) or not file.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text()))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module != module]
    return frozenset(alias.asname or alias.name for node in found for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_name_is_imported_from_its_home(room):
    passed_on = {
        f"{path.relative_to(ROOT)}: {alias.name} of {node.module}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in borrowed(node.module or "")
    }
    assert not passed_on
