"""Retention: the best checkpoints stay, over several runs of a sweep, and nobody else's go."""

from dataclasses import fields

import pytest

from jobs.choices import Keep
from jobs.driver.retention import Kept, Retention, kept_before
from tracking.events import TrialEnded
from tracking.reader import TrialRun


def end(key, accuracy=50.0, status="finished", weights=True):
    return TrialEnded(
        key=key,
        attempt=0,
        status=status,
        reason=None,
        metrics={"val/all": accuracy},
        weights=f"packs/p/trials/{key}/best-0001" if weights else None,
        at=0.0,
    )


ENDS = [end("a", 50.0), end("b", 70.0), end("c", 60.0), end("d", 70.0)]


@pytest.mark.parametrize(
    ("keep", "dropped"),
    [
        ("best", [[], [], [], []]),
        ("none", [["a"], ["b"], ["c"], ["d"]]),
        ("top:1", [[], ["a"], ["c"], ["b"]]),
        ("top:2", [[], [], ["a"], ["c"]]),
        ("top:9", [[], [], [], []]),
    ],
)
def test_checkpoints_go_as_better_ones_come(keep, dropped):
    retention = Retention(Keep.parse(keep), {})

    assert [list(retention.end(event)) for event in ENDS] == dropped


@pytest.mark.parametrize("status", ["failed", "pruned"])
@pytest.mark.parametrize("keep", ["best", "top:3", "none"])
def test_a_trial_that_did_not_finish_keeps_none(status, keep):
    retention = Retention(Keep.parse(keep), {})

    assert retention.end(end("a", status=status)) == {"a": "packs/p/trials/a/best-0001"}
    assert retention.end(end("a", status=status, weights=False)) == {}


def test_earlier_runs_count():
    retention = Retention(Keep.parse("top:2"), {"x": Kept(55.0, "x/1"), "y": Kept(80.0, "y/1")})

    assert retention.end(end("a", 50.0)) == {"a": "packs/p/trials/a/best-0001"}
    assert retention.end(end("b", 60.0)) == {"x": "x/1"}


def trial(key, parent="mine", checkpoint="/runs/packs/p/trials/t/best-0002"):
    values = dict.fromkeys((field.name for field in fields(TrialRun)), None)
    metrics = {"best_val": 61.5}
    return TrialRun(
        **values | {"key": key, "parent": parent, "checkpoint": checkpoint, "metrics": metrics}
    )


def test_only_the_sweep_s_own_checkpoints_in_its_storage_count():
    held = [
        trial("a"),
        trial("b", parent="another"),
        trial("c", checkpoint=""),
        trial("d", checkpoint=None),
        trial("e", checkpoint="s3://bucket/packs/p/trials/t/best-0002"),
        trial("f", checkpoint="/runs-of-another/packs/p/trials/t/best-0002"),
    ]

    assert kept_before(held, "mine", "/runs") == {
        "a": Kept(61.5, "packs/p/trials/t/best-0002"),
    }
