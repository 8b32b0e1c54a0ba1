"""The guide's file, put together from its parts, and the examples are sweeps that can be run."""

import json
import re
import shutil

import pytest

from search_spaces.load import load
from tests import ROOT

GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


@pytest.fixture(scope="module")
def mine(shell):
    path = shell.folder / "my.toml"
    path.write_text("\n".join(re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)))
    return path


def test_the_guides_parts_are_a_sweep(shell, mine):
    out, _ = shell("plan", mine.name, "--data", "world", "--format", "json")

    plan = json.loads(out)
    rows = [row for table in plan["tables"] for row in table["rows"]]
    assert [table["key"] for table in plan["tables"]] == ["tau", "rivals", "parts"]
    assert [row["name"] for row in rows if row["missing"]] == []
    assert [claim.key for claim in load(mine).claims] == ["higher", "together"]


def test_the_guides_space_can_be_searched(shell, mine):
    out, _ = shell("plan", mine.name, "--data", "world", "--search", "optuna", "--trials", "9")

    assert "up to 9 trials" in out


def test_what_the_guide_says_of_objectives_stands_above_the_first_table(shell, mine):
    lines = re.findall(r"`((?:objectives|constraints) = .*?)`", GUIDE)
    path = shell.folder / "small.toml"
    path.write_text("\n".join([*lines, mine.read_text()]))

    out, _ = shell("plan", path.name, "--data", "world", "--search", "optuna")

    assert "maximize val/all, minimize params_m, params_m <= 2" in out
    path.write_text("\n".join(["[space]", *lines]))
    _, err = shell("plan", path.name, "--data", "world", code=2)
    assert "objectives, stands above its first [table]" in " ".join(err.split())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_can_be_planned(shell, path):
    for name in ("demo", "other"):
        shutil.copytree(shell.folder / "world", shell.folder / "data" / name, dirs_exist_ok=True)

    out, _ = shell("plan", path, "--format", "json")

    plan = json.loads(out)
    for one in plan.get("plans", [plan]):
        assert one["search"] or one["counts"]["missing"] > 0
        assert not [row for table in one["tables"] for row in table["rows"] if row["missing"]]


def test_examples_are_all_named_in_their_readme():
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")

    assert EXAMPLES
    for path in EXAMPLES:
        assert f"]({path.name})" in text
