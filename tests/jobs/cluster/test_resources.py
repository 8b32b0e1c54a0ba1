"""What fits on a cluster, and a clear refusal of what never will."""

import pytest

from jobs.cluster.resources import COORDINATOR_CPUS, Resources, plan_slots
from tass_core.errors import SweepError, TassError

LAPTOP = [{"CPU": 2.0}]


@pytest.mark.parametrize(
    ("values", "nodes", "packs"),
    [
        ({}, LAPTOP, 2),
        ({"cpus_per_worker": 0.5}, LAPTOP, 4),
        ({"gpus_per_worker": 1.0}, [{"CPU": 8.0, "GPU": 2.0}], 2),
        ({"gpus_per_worker": 0.25}, [{"CPU": 8.0, "GPU": 1.0}], 4),
        ({"gpus_per_worker": 0.4}, [{"CPU": 8.0, "GPU": 2.0}], 4),
        ({"gpus_per_worker": 1.0}, [{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}], 1),
    ],
)
def test_packs_at_once_are_what_the_nodes_hold(values, nodes, packs):
    assert plan_slots(Resources(**values), nodes).packs == packs


def test_two_workers_fit_on_two_cores_beside_their_coordinator():
    slots = plan_slots(Resources(workers_per_pack=2), LAPTOP)

    assert slots.packs == 1
    assert 2 * slots.cpus + COORDINATOR_CPUS <= 2.0


@pytest.mark.parametrize(
    "values",
    [
        {"cpus_per_worker": 3.0},
        {"gpus_per_worker": 1.0},
        {"workers_per_pack": 2, "cpus_per_worker": 1.0},
    ],
)
def test_request_that_can_never_be_met_is_refused_before_ray_waits_for_ever(values):
    with pytest.raises(SweepError, match="this cluster has 2 CPU and 0 GPU"):
        plan_slots(Resources(**values), LAPTOP)


def test_workers_that_share_batches_cannot_fuse():
    assert Resources(workers_per_pack=2, fuse="auto").fuse == "auto"
    with pytest.raises(TassError, match="one worker to a pack"):
        Resources(workers_per_pack=2, fuse=2)


def test_threads_are_the_cpus_granted():
    assert plan_slots(Resources(cpus_per_worker=4.0), [{"CPU": 8.0}]).threads == 4
    assert plan_slots(Resources(cpus_per_worker=0.5), LAPTOP).threads == 1


@pytest.mark.parametrize(
    "values",
    [
        {"pack_size": 0},
        {"workers_per_pack": 0},
        {"cpus_per_worker": 0.0},
        {"gpus_per_worker": -1.0},
        {"gpus_per_worker": 1.5},
        {"gpus_per_worker": 0.5, "workers_per_pack": 2},
    ],
)
def test_impossible_resources_are_refused_by_name(values):
    option = "--" + next(iter(values)).replace("_", "-")
    with pytest.raises(SweepError, match=option):
        Resources(**values)
