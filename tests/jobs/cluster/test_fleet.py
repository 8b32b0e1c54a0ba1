"""Which nodes of a cluster train, which are left out and why, and what fits on those that do."""

import pytest

from jobs.cluster import fleet as fleets
from jobs.cluster.fleet import STRIKES, Fleet, Strike
from jobs.cluster.resources import Resources
from tass_core.errors import SweepError
from tests.jobs.fleets import Nodes, machine

FULL = "the disk is full"


def gathered(*machines, resources=None, lacks=()):
    nodes, said = Nodes(*machines, lacks=lacks), []
    fleet = Fleet(resources or Resources(), nodes)
    fleet.gather(said.append)
    return fleet, nodes, said


def test_a_node_that_lacks_something_gets_nothing_and_is_named():
    fleet, _, said = gathered(
        machine("good", 2.0), machine("bad", 2.0), lacks={"bad": "no dataset is there"}
    )

    assert fleet.room == 2
    assert fleet.shunned == ("bad",)
    assert said == ["Node bad is left out: no dataset is there"]


def test_a_cluster_in_which_no_node_can_train_is_refused_with_every_reason():
    with pytest.raises(SweepError, match="n1: no dataset; n2: no GPU works"):
        gathered(machine("n1"), machine("n2"), lacks={"n1": "no dataset", "n2": "no GPU works"})


def test_a_sweep_waits_for_the_first_node_and_says_so(monkeypatch):
    monkeypatch.setattr(fleets, "PAUSE", 0.0)
    nodes, said = Nodes(machine("head", 0.0)), []

    def say(text):
        said.append(text)
        nodes.there = [*nodes.there, machine("late", 4.0)]

    slots = Fleet(Resources(), nodes).gather(say)

    assert said == ["Waiting for nodes: the cluster has none yet that could train."]
    assert slots.packs == 4


def test_gpus_that_are_asked_for_are_waited_for_where_there_are_none(monkeypatch):
    monkeypatch.setattr(fleets, "PAUSE", 0.0)
    nodes = Nodes(machine("cpus", 8.0))

    def say(_text):
        nodes.there = [*nodes.there, machine("gpus", 8.0, gpus=2.0)]

    assert Fleet(Resources(gpus_per_worker=1.0), nodes).gather(say).packs == 2


def test_what_fits_on_no_node_there_is_is_refused():
    with pytest.raises(SweepError, match="this cluster has 2 CPU"):
        gathered(machine("n1", 2.0), resources=Resources(cpus_per_worker=3.0))


def test_nodes_that_join_are_used_once_they_were_examined():
    fleet, nodes, _ = gathered(machine("n1"))
    nodes.there = [machine("n1"), machine("n2", 3.0), machine("n3")]
    nodes.lacks = {"n3": "another version"}
    fleet.look()

    assert fleet.room == 4
    assert fleet.shunned == ("n3",)
    assert fleet.news() == ["Node n3 is left out: another version"]
    assert fleet.news() == []


def test_a_node_that_is_drained_gets_nothing_more_and_keeps_nothing():
    fleet, nodes, _ = gathered(machine("n1"), machine("n2"))
    nodes.there = [machine("n1", leaving=True), machine("n2")]
    fleet.look()

    assert (fleet.room, fleet.shunned) == (1, ("n1",))
    assert fleet.left("n1")
    assert not fleet.keeps("n1")
    assert fleet.keeps("n2")
    assert "n1 leaves" in fleet.news()[0]


def test_a_cluster_that_lost_all_its_nodes_waits_and_is_not_hopeless():
    fleet, nodes, _ = gathered(machine("n1"))
    nodes.there = []
    fleet.look()
    fleet.look()

    assert fleet.room == 0
    assert fleet.hopeless is None
    assert fleet.news() == ["No node can train at the moment; waiting for one."]


def test_a_node_where_packs_fail_alike_is_left_out_and_a_success_forgives():
    fleet, _, _ = gathered(machine("n1"), machine("n2"))
    for _ in range(STRIKES - 1):
        fleet.failed("n1", Strike("p", FULL, of_place=True))
    fleet.worked("n1")
    fleet.failed("n1", Strike("p", FULL, of_place=True))
    assert fleet.keeps("n1")
    for _ in range(STRIKES - 1):
        fleet.failed("n1", Strike("p", FULL, of_place=True))

    assert not fleet.keeps("n1")
    assert fleet.hopeless is None
    for _ in range(STRIKES):
        fleet.failed("n2", Strike("p", FULL, of_place=True))
    assert fleet.hopeless == (
        f"no node can train: n1: 3 failures alike: {FULL}; n2: 3 failures alike: {FULL}"
    )


def test_trials_may_be_at_fault_so_their_deaths_never_leave_the_last_node_out():
    fleet, _, _ = gathered(machine("n1"), machine("n2"))
    for node in ("n1", "n2"):
        for number in range(STRIKES):
            fleet.failed(node, Strike(f"p{number}", "its process died", of_place=False))

    assert not fleet.keeps("n1")
    assert fleet.keeps("n2")
    assert fleet.hopeless is None


def test_one_pack_alone_proves_nothing_against_a_node():
    fleet, _, _ = gathered(machine("n1"), machine("n2"))
    for _ in range(9):
        fleet.failed("n1", Strike("guilty", "its process died", of_place=False))

    assert fleet.keeps("n1")


def test_packs_that_fail_before_they_say_where_they_are_end_in_a_word():
    fleet, _, _ = gathered(machine("n1"))
    for _ in range(STRIKES):
        fleet.failed(None, Strike("p", "No module named 'torch'", of_place=True))

    assert fleet.hopeless == "packs fail wherever they start: No module named 'torch'"


@pytest.mark.parametrize(
    ("wanted", "gpus", "said"),
    [(None, 1.0, False), (0.0, 0.0, True), (0.5, 0.5, False)],
)
def test_gpus_are_used_unless_somebody_says_no_and_then_it_is_said_aloud(wanted, gpus, said):
    fleet_said = []
    nodes = Nodes(machine("n1", 8.0, gpus=2.0))
    slots = Fleet(Resources(gpus_per_worker=wanted), nodes).gather(fleet_said.append)

    assert slots.gpus == gpus
    assert bool(fleet_said) == said
    assert not said or "2 GPU(s) stay idle" in fleet_said[0]


def test_workers_of_a_pack_that_cannot_have_a_gpu_each_train_on_cpus():
    nodes = Nodes(machine("n1", 8.0, gpus=1.0))

    assert Fleet(Resources(workers_per_pack=2), nodes).gather(lambda _text: None).gpus == 0.0
