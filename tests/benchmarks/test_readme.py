"""The README's figures: each says where it comes from, and is replaced by itself alone."""

import re

import pytest

from benchmarks.__main__ import README, commit, filled, marks
from tests import ROOT

TEXT = README.read_text()


def figures(text, name):
    place = text.partition(f"<!-- begin: {name} -->\n")[2].partition(f"<!-- end: {name} -->")[0]
    return place.removesuffix("\n")


MEASURED = [name for name in marks(TEXT) if "`" in figures(TEXT, name)]
"""Others have a place, and no figures yet."""


@pytest.mark.parametrize("name", MEASURED)
def test_a_figure_names_its_command_its_commit_and_its_machine(name):
    said = figures(TEXT, name).partition("\n\n")[0]
    assert re.match(
        rf"`python -m benchmarks\.{name}` at [0-9a-f]{{7,}}\+? \(\d{{4}}-\d\d-\d\d\) on \S", said
    )
    assert (README.parent / f"{name}.py").exists()


@pytest.mark.parametrize("name", ["fused", "step"])
def test_what_was_printed_replaces_the_figures_of_its_name_alone(name):
    text = filled(TEXT, name, "abacus, 1 thread\n\n| new |\n", "1234567 (2026-01-02)")
    said, _, rest = figures(text, name).partition("\n\n")
    assert said == f"`python -m benchmarks.{name}` at 1234567 (2026-01-02) on abacus, 1 thread"
    assert rest == ("| new |" if name == "fused" else "```text\n| new |\n```")
    assert all(figures(text, one) == figures(TEXT, one) for one in marks(TEXT) if one != name)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout of the repository")
def test_the_commit_is_told_with_its_date():
    assert re.fullmatch(r"[0-9a-f]{7,}\+? \(\d{4}-\d\d-\d\d\)", commit())
