"""What a node lacks is found out before it gets work, and said with what to do."""

from dataclasses import replace

import pytest

from jobs.cluster.preflight import PROBE, Checklist, examine, judge, lacks
from jobs.storage import open_storage
from tass_core import TRAINING_VERSION


@pytest.fixture
def checklist(tiny, tmp_path):
    """What a driver wants of a node that has everything."""
    open_storage(str(tmp_path)).write(PROBE, "written by the driver")
    return Checklist(
        dataset=str(tiny.folder),
        fingerprint=tiny.fingerprint,
        storage=str(tmp_path),
        probe="written by the driver",
        gpus=0.0,
    )


def test_a_node_that_has_everything_lacks_nothing(checklist):
    assert judge(examine(checklist.to_dict())) is None


def test_a_storage_of_the_nodes_own_is_told_from_the_drivers(checklist, tmp_path):
    own = replace(checklist, storage=str(tmp_path / "own"))
    assert "is not the driver's there; give a path that every node mounts" in lacks(own)

    open_storage(own.storage).write(PROBE, "left by an earlier sweep")
    assert "is not the driver's there" in lacks(own)


def test_another_dataset_and_a_missing_one_are_told_apart(checklist, tiny, tmp_path):
    assert f"holds dataset {tiny.fingerprint} there" in lacks(replace(checklist, fingerprint="f"))
    assert str(tmp_path / "none") in lacks(replace(checklist, dataset=str(tmp_path / "none")))


def test_a_gpu_that_does_not_work_is_missed(checklist, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    assert "GPU" in lacks(replace(checklist, gpus=1.0))


def test_a_node_of_another_version_is_not_even_asked_for_the_rest(checklist):
    wanted = {**checklist.to_dict(), "training_version": -1, "of another version": True}

    facts = examine(wanted)

    assert "lacks" not in facts
    assert "install the driver's version" in judge({**facts, "training_version": -1})
    assert facts["training_version"] == TRAINING_VERSION
