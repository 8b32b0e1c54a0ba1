"""The conductor: results once, failures again and then recorded, checkpoints bounded."""

import time

import pytest

from jobs.choices import Keep
from jobs.cluster.fleet import STRIKES, Fleet
from jobs.cluster.resources import Resources
from jobs.driver.attempts import Attempts
from jobs.driver.conductor import MOST_PAUSE, Conductor
from jobs.driver.faults import Fault
from jobs.driver.progress import Progress
from jobs.driver.retention import Retention
from jobs.driver.sources import Queue
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.worker.train import Workplace, train
from tass_core.training.pruning import Halving
from tass_core.trial import Trial, trial_key
from tests.jobs.fleets import Nodes, machine, steady
from tracking.events import EpochDone, TrialEnded, TrialOpened, WeightsDropped

DIED = Fault("its process died")
OUT_OF_MEMORY = Fault("out of memory: Ray ended its process", "memory")


class Silent:
    """A watcher that remembers what it was told."""

    def __init__(self):
        self.notes = []

    def update(self, progress):
        self.progress = progress

    def ended(self, _progress, event):
        self.notes.append((event.key, event.status))

    def note(self, text):
        self.notes.append(text)


class Stage:
    """A conductor over real storage, whose packs the test trains or fails by hand."""

    def __init__(
        self,
        world,
        folder,
        configs,
        keep="best",
        max_failures=2,
        together=True,
        slots=1,
        packs=None,
    ):
        trials = [Trial(config.canonical(), 0) for config in configs]
        self.trials = {trial_key(trial, world.fingerprint): trial for trial in trials}
        self.keys = list(self.trials)
        self.world, self.storage = world, open_storage(str(folder))
        if packs is None:
            alone = [Pack({key: trial}) for key, trial in self.trials.items()]
            packs = [Pack(self.trials)] if together else alone
        self.recorded, self.now = [], 0.0
        self.progress = Progress("test", self.trials, {})
        self.conductor = Conductor(
            Queue(self.trials, lambda _: packs),
            self.storage,
            steady(slots),
            self.recorded.extend,
            lambda key: TrialOpened(key=key, sweep="s", name=key, params={}, tags={}, at=0.0),
            self.progress,
            Silent(),
            Attempts(max_failures, since=time.time()),
            Retention(Keep.parse(keep), {}),
            clock=lambda: self.now,
        )

    def train(self, pack):
        place = Workplace(
            str(self.world.folder), self.world.fingerprint, self.storage.place, threads=1, gpus=0
        )
        train(pack, place, lambda events: self.conductor.receive(pack, events))
        self.conductor.close(pack)

    def ends(self):
        return {e.key: e.status for e in self.recorded if isinstance(e, TrialEnded)}

    def epochs(self, key):
        return [e.epoch for e in self.recorded if isinstance(e, EpochDone) and e.key == key]


@pytest.fixture
def configs(base):
    return [base, base.replace("model.tau", 0.01), base.replace("model.tau", 0.03)]


def broken(pack, reason="the training loss was not finite at epoch 1, step 3"):
    (key,) = pack.members
    at = time.time()
    return TrialEnded(key=key, attempt=pack.attempt, status="failed", reason=reason, at=at)


def test_each_result_is_recorded_once_however_often_it_is_reported(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs)
    pack = stage.conductor.suggest()

    stage.train(pack)
    stage.train(pack)

    assert stage.ends() == dict.fromkeys(stage.keys, "finished")
    for key in stage.keys:
        assert stage.epochs(key) == [1, 2]
    assert stage.conductor.suggest() == "done"
    assert stage.progress.done == 3
    assert stage.progress.remaining == 0


def test_pack_in_flight_keeps_tune_waiting(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, slots=2)

    assert isinstance(stage.conductor.suggest(), Pack)
    assert stage.conductor.suggest() is None


def test_slots_limit_the_packs_in_flight(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, together=False, slots=2)

    first = [stage.conductor.suggest() for _ in range(3)]
    assert [pack is not None for pack in first] == [True, True, False]
    stage.train(first[0])

    assert isinstance(stage.conductor.suggest(), Pack)


def test_dead_packs_members_go_on_alone(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=0)
    pack = stage.conductor.suggest()
    stage.conductor.close(pack, DIED)
    assert stage.ends() == {}

    for _ in stage.keys:
        alone = stage.conductor.suggest()
        assert len(alone.members) == 1
        stage.train(alone)

    assert stage.ends() == dict.fromkeys(stage.keys, "finished")
    assert stage.conductor.suggest() == "done"


def test_member_that_dies_alone_is_recorded_as_failed_with_its_reason(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=0)
    stage.conductor.close(stage.conductor.suggest(), DIED)
    guilty = stage.conductor.suggest()
    stage.conductor.close(guilty, OUT_OF_MEMORY)
    for _ in range(2):
        stage.train(stage.conductor.suggest())

    (key,) = guilty.members
    ends = stage.ends()
    assert ends.pop(key) == "failed"
    assert set(ends.values()) == {"finished"}
    assert stage.progress.failed == {key: "out of memory: Ray ended its process"}
    assert stage.conductor.suggest() == "done"


def test_failed_trial_is_tried_again_and_may_finish(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, together=False)
    pack = stage.conductor.suggest()
    stage.conductor.receive(pack, [broken(pack)])
    stage.conductor.close(pack)
    for _ in range(3):
        stage.train(stage.conductor.suggest())

    assert stage.ends() == dict.fromkeys(stage.keys, "finished")


def test_trial_that_fails_twice_alike_is_not_tried_a_third_time(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs[:1], max_failures=5)
    first = stage.conductor.suggest()
    (key,) = first.members
    stage.conductor.receive(first, [broken(first)])
    stage.conductor.close(first)
    second = stage.conductor.suggest()
    assert second.attempt == 1
    stage.conductor.receive(second, [broken(second)])
    stage.conductor.close(second)

    assert stage.ends() == {key: "failed"}
    assert stage.conductor.suggest() == "done"


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_failures_are_limited(world, configs, tmp_path, allowed):
    stage = Stage(world, tmp_path, configs[:1], max_failures=allowed)
    attempts = 0
    while (pack := stage.conductor.suggest()) != "done":
        attempts += 1
        stage.conductor.receive(pack, [broken(pack, f"reason {attempts}")])
        stage.conductor.close(pack)

    assert attempts == 1 + allowed


def test_really_diverging_trial_fails_and_its_neighbours_do_not(world, base, tmp_path):
    wild = base.replace("optimiser.learning_rate", 1e30)
    stage = Stage(world, tmp_path, [base, wild])
    while (pack := stage.conductor.suggest()) != "done":
        stage.train(pack)

    assert stage.ends() == {stage.keys[0]: "finished", stage.keys[1]: "failed"}
    assert "not finite" in stage.progress.failed[stage.keys[1]]


def test_failed_trial_starts_from_nothing_in_the_next_sweep(world, base, tmp_path):
    wild = base.replace("optimiser.learning_rate", 1e30)
    first = Stage(world, tmp_path, [wild], max_failures=0)
    first.train(first.conductor.suggest())
    assert first.conductor.suggest() == "done"

    again = Stage(world, tmp_path, [wild], max_failures=0)
    tried = []
    while (pack := again.conductor.suggest()) != "done":
        tried.append(pack.attempt)
        again.train(pack)

    assert tried == [0, 1]
    assert again.ends() == dict.fromkeys(again.keys, "failed")


@pytest.mark.parametrize(("keep", "kept"), [("best", 3), ("top:2", 2), ("top:1", 1), ("none", 0)])
def test_checkpoints_are_bounded(world, configs, tmp_path, keep, kept):
    stage = Stage(world, tmp_path, configs, keep=keep)
    stage.train(stage.conductor.suggest())

    left = list(tmp_path.glob("packs/*/*/trials/*/best-*/model.safetensors"))
    assert len(left) == kept
    ends = [event for event in stage.recorded if isinstance(event, TrialEnded)]
    dropped = {event.key for event in stage.recorded if isinstance(event, WeightsDropped)}
    named = {end.key for end in ends if end.weights} - dropped
    assert named == {path.parents[1].name for path in left}
    if keep == "top:1":
        best = max(ends, key=lambda end: (end.metrics["val/all"], end.key))
        assert named == {best.key}


def test_stopping_hands_out_nothing_more_and_counts_what_is_missing(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, together=False)
    stage.train(stage.conductor.suggest())
    flying = stage.conductor.suggest()
    stage.conductor.stopping = True

    assert stage.conductor.suggest() == "done"
    stage.conductor.close(flying, DIED)
    stage.conductor.give_back()

    assert stage.progress.remaining == 2
    assert len(stage.conductor.attempts.lacking(stage.keys)) == 2
    assert stage.progress.failed == {}


def test_dead_pack_starts_again_whole_before_its_members_go_on_alone(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=2)
    pack = stage.conductor.suggest()
    for _ in range(2):
        stage.conductor.close(pack, DIED)
        assert stage.conductor.suggest() is pack
    stage.conductor.close(pack, DIED)

    assert len(stage.conductor.suggest().members) == 1


def test_a_pack_too_large_for_the_memory_is_halved_at_once(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, slots=2)
    stage.conductor.close(stage.conductor.suggest(), OUT_OF_MEMORY)

    halves = [stage.conductor.suggest() for _ in range(2)]

    assert [len(pack.members) for pack in halves] == [2, 1]
    for pack in halves:
        stage.train(pack)
    assert stage.ends() == dict.fromkeys(stage.keys, "finished")


@pytest.mark.parametrize(("fault", "rule"), [(OUT_OF_MEMORY, Halving(2, 1)), (DIED, None)])
def test_halves_keep_their_rungs_and_members_that_go_on_alone_do_not(
    world, configs, tmp_path, fault, rule
):
    members = Stage(world, tmp_path, configs).trials
    packs = [Pack(members, Halving(2, 1))]
    stage = Stage(world, tmp_path, configs, slots=3, packs=packs, max_failures=0)
    stage.conductor.close(stage.conductor.suggest(), fault)

    parts = []
    while (part := stage.conductor.suggest()) is not None:
        parts.append(part)

    assert {part.pruner for part in parts} == {rule}
    assert sorted(key for part in parts for key in part.members) == sorted(members)


def test_what_the_place_is_to_blame_for_costs_no_trial_an_attempt(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=0)
    pack = stage.conductor.suggest()
    for _ in range(STRIKES):
        stage.conductor.receive(pack, [], node="n1")
        stage.conductor.close(pack, Fault("the disk is full", "place"))
        stage.now += MOST_PAUSE
        following = stage.conductor.suggest()

    assert following == "done"
    assert stage.ends() == {}
    assert stage.conductor.trouble == "no node can train: n1: 3 failures alike: the disk is full"


def test_a_node_that_leaves_with_notice_costs_no_trial_an_attempt(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=0)
    nodes = Nodes(machine("n1"))
    stage.conductor.fleet = fleet = Fleet(Resources(), nodes)
    fleet.gather(lambda _text: None)
    pack = stage.conductor.suggest()
    stage.conductor.receive(pack, [], node="n1")
    assert stage.conductor.stays(pack.key)

    nodes.there = [machine("n1", leaving=True), machine("n2")]
    fleet.look()
    assert not stage.conductor.stays(pack.key)
    stage.conductor.close(pack, Fault("its node died", "node"))

    assert stage.conductor.suggest() is pack
    assert fleet.shunned == ("n1",)
    stage.train(pack)
    assert stage.ends() == dict.fromkeys(stage.keys, "finished")


def test_a_pack_that_waits_for_a_node_that_went_is_handed_out_anew(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, max_failures=0)
    nodes = Nodes(machine("n1"))
    stage.conductor.fleet = fleet = Fleet(Resources(), nodes)
    fleet.gather(lambda _text: None)
    nodes.there = [machine("n1"), machine("n2")]
    nodes.slow = {"n2"}
    fleet.look()
    pack = stage.conductor.suggest()
    assert stage.conductor.shuns(pack.key) == ("n2",)

    nodes.there = nodes.there[1:]
    fleet.look()
    assert not stage.conductor.stranded(pack.key), "nobody else could take it yet"
    nodes.slow = set()
    fleet.look()
    assert stage.conductor.stranded(pack.key)

    stage.conductor.close(pack)
    again = stage.conductor.suggest()
    assert again is pack
    assert stage.conductor.shuns(pack.key) == ()
    assert not stage.conductor.stranded(pack.key)
    stage.train(pack)
    assert stage.ends() == dict.fromkeys(stage.keys, "finished")


def test_a_pack_that_has_begun_is_not_taken_back_for_other_nodes_sake(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs)
    pack = stage.conductor.suggest()
    stage.conductor.receive(pack, [], node="n1")

    assert not stage.conductor.stranded(pack.key)
    assert not stage.conductor.stranded("no such pack")


def test_a_node_that_answers_for_other_trials_is_left_out(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs)
    pack = stage.conductor.suggest()

    stage.conductor.receive(pack, [broken(Pack({"foreign": None}))], node="n1")

    assert stage.ends() == {}
    assert not stage.conductor.stays(pack.key)
    assert stage.conductor.suggest() == "done"
    assert "answers for a trial that pack" in stage.conductor.trouble


def test_a_long_pack_is_shared_with_a_slot_that_stands_idle(world, configs, tmp_path):
    stage = Stage(world, tmp_path, configs, slots=2)
    pack = stage.conductor.suggest()
    assert stage.conductor.suggest() is None
    assert stage.conductor.stays(pack.key), "nobody knows yet how long it takes"
    slow = EpochDone(key=stage.keys[0], attempt=0, epoch=1, metrics={}, seconds=99.0, at=1.0)
    stage.conductor.receive(pack, [slow], node="n1")
    assert stage.conductor.suggest() is None
    assert not stage.conductor.stays(pack.key)
    stage.conductor.close(pack)

    halves = [stage.conductor.suggest() for _ in range(2)]

    assert [len(half.members) for half in halves] == [2, 1]
    assert halves[0].members.keys() | halves[1].members.keys() == pack.members.keys()


def test_survivors_of_a_rung_go_on_with_those_of_other_packs(world, base, tmp_path):
    configs = [base.replace("model.tau", tau) for tau in (0.0, 0.01, 0.02, 0.03)]
    keys = list(Stage(world, tmp_path, configs).trials.items())
    pairs = [Pack(dict(keys[at : at + 2]), Halving(2, 1)) for at in (0, 2)]
    stage = Stage(world, tmp_path, configs, packs=pairs)
    trained = []
    while (pack := stage.conductor.suggest()) != "done":
        trained.append(pack)
        stage.train(pack)

    assert trained[:2] == pairs
    (together,) = trained[2:]
    assert set(together.origins.values()) == {pack.key for pack in pairs}
    ends = stage.ends()
    assert {key for key, status in ends.items() if status == "finished"} == set(together.members)
    assert sorted(ends.values()) == ["finished", "finished", "pruned", "pruned"]
    for key in stage.keys:
        assert stage.epochs(key) == [1, 2] if key in together.members else [1]


def test_a_pack_that_dies_at_its_rung_tells_no_end_again(world, configs, tmp_path):
    members = Stage(world, tmp_path, configs).trials
    stage = Stage(world, tmp_path, configs, packs=[Pack(members, Halving(2, 1))])
    pack = stage.conductor.suggest()
    place = Workplace(str(world.folder), world.fingerprint, stage.storage.place, threads=1, gpus=0)
    train(pack, place, lambda events: stage.conductor.receive(pack, events))
    stage.conductor.close(pack, DIED)
    told = len(stage.recorded)

    assert stage.conductor.suggest() is pack
    stage.train(pack)
    again = stage.recorded[told:]
    assert all(isinstance(event, TrialOpened) for event in again)
    assert len(again) == 2
    while (pack := stage.conductor.suggest()) != "done":
        stage.train(pack)

    assert sorted(stage.ends().values()) == ["finished", "finished", "pruned"]
    assert stage.conductor.attempts.lacking(stage.keys) == []
