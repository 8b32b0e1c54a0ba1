"""One rule says what state a trial is in, for whoever asks."""

import ast
import re

import pytest

from tests import ROOT
from tracking import schema

NAME = re.compile(r"tass\.[a-z_]+$")


@pytest.mark.parametrize(
    ("status", "tag", "expected"),
    [
        ("FINISHED", "finished", "finished"),
        ("FAILED", "failed", "failed"),
        ("KILLED", "pruned", "pruned"),
        ("RUNNING", "running", "running"),
        # The tags are there, the status is not set yet.
        ("RUNNING", "finished", "running"),
        ("RUNNING", "failed", "failed"),
        # Somebody ended the run in MLflow's pages.
        ("KILLED", "running", "running"),
        ("FAILED", "finished", "failed"),
        ("FINISHED", "running", "running"),
    ],
)
def test_a_trial_is_finished_only_when_tag_and_status_say_so(status, tag, expected):
    assert schema.state(status, tag) == expected


def test_states_and_statuses_agree_on_every_end():
    for state, status in schema.ENDS.items():
        assert schema.state(status, state) == state


def test_every_tag_is_written_once_and_documented():
    named = {text for text in vars(schema).values() if isinstance(text, str) and NAME.match(text)}
    page = (ROOT / "docs" / "sweeps.md").read_text()

    assert named == set(re.findall(r"`(tass\.[a-z_]+)`", page))


def test_no_other_module_spells_a_tag():
    for package in ("search_spaces", "tracking", "evidence", "jobs", "reports", "cli"):
        for path in (ROOT / package).rglob("*.py"):
            texts = {
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            spelled = {text for text in texts if NAME.match(text)}
            assert not spelled or path.name == "schema.py", f"{path} spells {spelled}"
