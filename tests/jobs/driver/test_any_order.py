"""Whatever happens in whatever order, every wanted trial ends exactly once or is named.

The real conductor, fleet, attempts, retention, outbox and storage; only training and the nodes
are played. A pack writes the files that the trainer writes, as far as the driver and the storage
read them.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jobs.choices import Keep
from jobs.cluster.fleet import Fleet
from jobs.cluster.resources import Resources
from jobs.driver.attempts import Attempts
from jobs.driver.conductor import LONG, MOST_PAUSE, Conductor
from jobs.driver.faults import Fault
from jobs.driver.progress import Progress
from jobs.driver.retention import Kept, Retention
from jobs.driver.sources import Queue
from jobs.packing import choose_packs, epochs_of, interrupted, make_packs, read_packs
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.generations import begin
from jobs.storage.results import settle
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving
from tass_core.training.results import FORMAT
from tass_core.trial import Trial
from tests.jobs.driver.test_conductor import Silent
from tests.jobs.fleets import Nodes, machine
from tracking.events import (
    EpochDone,
    Origin,
    TrialEnded,
    TrialOpened,
    TrialStopped,
    WeightsDropped,
)
from tracking.outbox import Outbox

RAM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""The outbox waits for the disk at every event; its promises to a disk are tested elsewhere."""
EPOCHS = 3
HALVING = Halving(eta=2, min_epochs=1)
"""Its rungs: after the first epoch, after the second, and none before the end."""
POLICIES = ("best", "top:2", "top:1")
NOT_FINITE, BAD_PLACE = "the training loss was not finite", "the disk is full"
FAULTS = (
    Fault("its process died"),
    Fault("out of memory", "memory"),
    Fault("its node died", "node"),
    Fault(BAD_PLACE, "place"),
)
HERE, ELSEWHERE = Origin("here", "f1", "/runs"), Origin("elsewhere", "f2", "/other")
KEYS = tuple("abcdefgh")
BASE = TrialConfig().replace("optimiser.epochs", EPOCHS)
RARE = BASE.replace("optimiser.batch_size", 1)
TRIALS = {
    key: Trial((RARE if key == "d" else BASE).replace("model.tau", n / 100), 0)
    for n, key in enumerate(KEYS)
}
"""One has a structure that no other has."""
QUALITY = {key: 50.0 + (7 * n) % 5 for n, key in enumerate(KEYS)}
FAILS = st.sets(st.tuples(st.sampled_from(KEYS), st.integers(0, 1)), max_size=4)


class Clock:
    """Time that passes whenever somebody looks."""

    def __init__(self):
        self._ticks = count(1)

    def now(self):
        return float(next(self._ticks))


class Trainer:
    """Plays a pack's process: one epoch at a time, saved before it is told."""

    def __init__(self, pack, storage, clock, fails):
        self.pack, self.storage, self.clock, self.fails = pack, storage, clock, fails
        self.generation = begin(storage, pack, 0)
        self.folder = self.generation.folder
        self.index = self.folder / "pack.json"
        if self.index.exists():
            self.saved = json.loads(self.index.read_text())
        else:
            new = {"status": "running", "history": [], "best_epoch": 0}
            records = [{"key": key, **new, "history": []} for key in pack.members]
            self.saved = {"format": FORMAT, "epoch": 0, "records": records}

    def replay(self):
        """Return all results that are saved, as a process tells them first."""
        return [event for record in self.saved["records"] for event in self._told(record)]

    @property
    def running(self):
        return [record for record in self.saved["records"] if record["status"] == "running"]

    @property
    def done(self):
        return not self.running or self.saved["epoch"] == self.pack.until

    def epoch(self):
        """Train one epoch and save it; return its results."""
        self.saved["epoch"] += 1
        trained = self.running
        before = {record["key"]: len(self._told(record)) for record in trained}
        for record in trained:
            if (record["key"], self.pack.attempt) in self.fails:
                record |= {"status": "failed", "at": self.clock.now(), "reason": NOT_FINITE}
            else:
                record["history"].append(self.clock.now())
                self._write(record)
                if len(record["history"]) == EPOCHS:
                    record |= {"status": "finished", "at": self.clock.now(), "reason": None}
        if self.saved["epoch"] == self.pack.until:
            ranked = sorted(self.running, key=lambda record: -QUALITY[record["key"]])
            for record in ranked[HALVING.survivors(len(ranked)) :]:
                record |= {"status": "pruned", "at": self.clock.now(), "reason": None}
        state = self.folder / f"state-{self.saved['epoch']:04d}"
        state.mkdir(parents=True, exist_ok=True)
        for record in self.running:
            (state / f"{record['key']}.safetensors").touch()
        self.index.write_text(json.dumps(self.saved))
        return [event for it in trained for event in self._told(it)[before[it["key"]] :]]

    def _write(self, record):
        weights = self.folder / self._weights(record["key"])
        weights.mkdir(parents=True, exist_ok=True)
        (weights / "model.safetensors").touch()
        (weights.parent / "predictions.parquet").touch()
        record["best_epoch"] = 1

    def _weights(self, key):
        return f"trials/{key}/best-0001"

    def _told(self, record):
        key, attempt = record["key"], self.pack.attempt
        told = [
            EpochDone(key=key, attempt=attempt, epoch=n, metrics={}, seconds=LONG, at=at)
            for n, at in enumerate(record["history"], start=1)
        ]
        if record["status"] != "running":
            there = (self.folder / self._weights(key)).exists()
            end = TrialEnded(
                key=key,
                attempt=attempt,
                status=record["status"],
                reason=record["reason"],
                metrics={"val/all": QUALITY[key]},
                weights=f"{self.generation.name}/{self._weights(key)}" if there else None,
                predictions=f"{self.generation.name}/trials/{key}/predictions.parquet",
                at=record["at"],
            )
            told.append(settle(self.storage, [*told, end]))
        return told


class Tracked:
    """What MLflow holds of one dataset."""

    def __init__(self):
        self.weights, self.accuracy, self.dropped = {}, {}, set()
        self.running = set()

    def apply(self, events):
        for event in events:
            if isinstance(event, TrialOpened):
                self.running.add(event.key)
            elif isinstance(event, TrialEnded | TrialStopped):
                self.running.discard(event.key)
            if isinstance(event, TrialEnded) and event.status == "finished":
                self.weights[event.key] = event.weights
                self.accuracy[event.key] = event.metrics["val/all"]
            elif isinstance(event, WeightsDropped) and self.weights.get(event.key):
                self.dropped.add(self.weights[event.key])
                self.weights[event.key] = None

    def kept(self, keys):
        return {
            key: Kept(self.accuracy[key], self.weights[key])
            for key in keys
            if self.weights.get(key)
        }


class Sweeps(RuleBasedStateMachine):
    """One sweep, run again and again until somebody lets it come to its end."""

    max_failures = 1

    @initialize(
        wanted=st.sets(st.sampled_from(KEYS[:4]), min_size=2),
        size=st.integers(1, 4),
        slots=st.integers(1, 3),
        fails=FAILS,
        keep=st.sampled_from(POLICIES),
        foreign=st.booleans(),
        study=st.booleans(),
    )
    def prepare(self, wanted, size, slots, fails, keep, foreign, study):
        self.set_out(wanted, size, slots, fails, keep, foreign)
        self.proposed = make_packs(self.plan, size) if study else None
        self.start_driver()

    def set_out(self, wanted, size, slots, fails, keep, foreign):
        self.home = Path(tempfile.mkdtemp(prefix="any-order-", dir=RAM))
        self.storage, self.clock = open_storage(str(self.home)), Clock()
        self.outbox, self.away = Outbox(self.home, "store"), False
        self.mlflow = {origin: Tracked() for origin in (HERE, ELSEWHERE)}
        self.tracked, self.elsewhere = self.mlflow[HERE], set()
        self.nodes = Nodes(machine("n0", float(slots)))
        self.names = count(1)
        self.plan = {key: TRIALS[key] for key in sorted(wanted)}
        self.size, self.fails = size, fails
        self.pruned = set()
        self.keep = Keep.parse(keep)
        # Another sweep holds the first trial, with a checkpoint of its own.
        self.foreign = set(sorted(wanted)[:1]) if foreign else set()
        for key in self.foreign:
            weights = f"packs/another/trials/{key}/best-0001"
            (self.home / weights).mkdir(parents=True)
            self.tracked.weights[key], self.tracked.accuracy[key] = weights, 1.0

    def start_driver(self):
        """A driver starts once MLflow has what is in the outbox."""
        self.away = False
        self.deliver()
        self.nodes.there = [it for it in self.nodes.there if not it.leaving]
        self.join()
        fleet = Fleet(Resources(), self.nodes)
        fleet.gather(lambda _text: None)
        held = set(self.tracked.weights)
        missing = {key: trial for key, trial in self.plan.items() if key not in held}
        self.ends, self.failures = {}, Counter()
        self.processes = {}
        own = [key for key in self.plan if key in held and key not in self.foreign]
        self.missing = set(missing)
        running = {key: trial for key, trial in missing.items() if key not in self.pruned}
        self.running = set(running)
        self.open_before = set(self.tracked.running)

        def choose(slots):
            # A study hands out its packs again, or what became of them.
            if self.proposed is not None:
                return interrupted(self.proposed, read_packs(self.storage), self.running)
            return choose_packs(missing, self.plan, self.storage, self.size, slots, epochs_of)

        self.conductor = Conductor(
            Queue(running, choose),
            self.storage,
            fleet,
            self.record,
            self.opening,
            Progress("s", self.plan, {}),
            Silent(),
            Attempts(self.max_failures, held, since=self.clock.now()),
            Retention(self.keep, self.tracked.kept(own)),
            clock=lambda: MOST_PAUSE * self.clock.now(),
        )

    def opening(self, key):
        self.open_before.discard(key)
        return TrialOpened(key=key, sweep="s", name=key, params={}, tags={}, at=0.0)

    def record(self, events):
        for event in events:
            if isinstance(event, WeightsDropped):
                assert event.key not in self.foreign, f"{event.key} is another sweep's"
            if isinstance(event, TrialEnded):
                assert event.key in self.missing, f"{event.key} was not missing"
                assert event.key not in self.ends, f"{event.key} ended twice"
                self.ends[event.key] = event.status
                if event.status == "pruned":
                    self.pruned.add(event.key)
                assert event.reason != BAD_PLACE, f"{event.key} failed for its place"
                if event.reason == NOT_FINITE:
                    assert self.failures[event.key] > self.max_failures, f"{event.key} gave up"
        self.post(HERE, events)

    def post(self, origin, events):
        self.outbox.post(origin, events)
        if not self.away:
            self.deliver()

    def deliver(self):
        """MLflow takes everything that is in the outbox, each event where it comes from."""
        while taken := self.outbox.take():
            for posted in taken:
                self.mlflow[posted.origin].apply([posted.event])
            self.outbox.confirm(taken)

    def begin(self, pack):
        trainer = Trainer(pack, self.storage, self.clock, self.fails)
        able = [it.id for it in self.nodes.there if it.id not in self.conductor.fleet.shunned]
        trainer.node = able[0] if able else None
        self.processes[pack.key] = trainer
        self.tell(trainer, trainer.replay())

    def tell(self, trainer, events):
        """Results reach the driver, which may then want the pack elsewhere."""
        self.conductor.receive(trainer.pack, events, trainer.node)
        if not self.conductor.stays(trainer.pack.key):
            del self.processes[trainer.pack.key]
            self.conductor.close(trainer.pack)

    def pick(self, data):
        key = data.draw(st.sampled_from(sorted(self.processes)))
        return self.processes[key]

    @rule()
    def ask(self):
        """Tune asks for a pack."""
        pack = self.conductor.suggest()
        if pack == "done":
            if self.conductor.trouble is None:
                self.check_end()
            else:
                self.leave()
            self.start_driver()
        elif pack is not None:
            assert pack.key not in self.processes, "two processes in one folder"
            self.begin(pack)

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), epochs=st.integers(1, EPOCHS + 1))
    def train(self, data, epochs):
        """A pack trains some epochs, and comes to its end after the last."""
        trainer = self.pick(data)
        for _ in range(epochs):
            if trainer.done:
                self.finish(trainer)
            if trainer.pack.key not in self.processes:
                break
            self.tell(trainer, self.epoch(trainer))

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), untold=st.booleans(), fault=st.sampled_from(FAULTS))
    def die(self, data, untold, fault):
        """A process dies, which may not have told what it saved."""
        trainer = self.pick(data)
        if untold and not trainer.done:
            self.epoch(trainer)
        del self.processes[trainer.pack.key]
        self.conductor.close(trainer.pack, fault)

    @rule()
    def join(self):
        """A node joins."""
        if sum(not node.leaving for node in self.nodes.there) < 3:
            self.nodes.there = [*self.nodes.there, machine(f"n{next(self.names)}")]

    @rule(data=st.data())
    def drain(self, data):
        """A node leaves with notice, and is gone when its packs have gone on elsewhere."""
        node = data.draw(st.sampled_from(self.nodes.there)) if self.nodes.there else None
        if node is not None and node.leaving:
            for trainer in list(self.processes.values()):
                if trainer.node == node.id:
                    del self.processes[trainer.pack.key]
                    self.conductor.close(trainer.pack, Fault("its node died", "node"))
        self.nodes.there = [
            it._replace(leaving=True) if it == node else it
            for it in self.nodes.there
            if it != node or not it.leaving
        ]

    @rule()
    def look(self):
        """The driver looks at the cluster."""
        self.conductor.fleet.look()

    @rule(away=st.booleans())
    def outage(self, away):
        """MLflow goes away, or comes back and takes what waits."""
        self.away = away
        if not away:
            self.deliver()

    @rule(key=st.sampled_from(KEYS))
    def another_dataset(self, key):
        """A sweep on another dataset leaves a trial of the same name in the outbox."""
        end = TrialEnded(key=key, attempt=0, status="finished", reason=None, at=self.clock.now())
        self.post(ELSEWHERE, [replace(end, metrics={"val/all": -1.0})])
        self.elsewhere.add(key)

    @rule(untold=st.booleans(), stops=st.booleans(), keep=st.sampled_from(POLICIES))
    def start_over(self, untold, stops, keep):
        """The driver is killed or stopped; the same command runs again, its bounds apart."""
        for trainer in self.processes.values():
            if untold and not trainer.done:
                self.epoch(trainer)
        if stops:
            self.conductor.stopping = True
            assert self.conductor.suggest() == "done"
            self.leave()
        self.keep = Keep.parse(keep)
        self.start_driver()

    def leave(self):
        """Whatever runs is stopped, and nothing is left that seems to run."""
        for trainer in self.processes.values():
            self.conductor.close(trainer.pack)
        self.conductor.give_back()
        running = sorted(self.conductor.progress.running | self.open_before)
        self.post(HERE, [TrialStopped(key=key, at=self.clock.now()) for key in running])
        self.away = False
        self.deliver()
        assert not self.tracked.running
        lacking = self.conductor.attempts.lacking(self.conductor.source.wanted())
        assert self.running <= self.ends.keys() | set(lacking) <= self.missing

    def check_end(self):
        """No trial is without an end, unless it is named."""
        assert not self.processes
        assert self.conductor.attempts.lacking(self.conductor.source.wanted()) == []
        assert self.running <= self.ends.keys() <= self.missing

    @invariant()
    def checkpoints_are_as_they_are_said_to_be(self):
        if self.away:
            return
        for weights in filter(None, self.tracked.weights.values()):
            assert (self.home / weights).is_dir(), f"{weights} is named and gone"
        for weights in self.tracked.dropped:
            assert not (self.home / weights).exists(), f"{weights} is dropped and there"
        if self.keep.policy != "best" and "finished" in self.ends.values():
            assert len(self.tracked.kept(self.plan.keys() - self.foreign)) <= self.keep.top

    def teardown(self):
        """Nothing more happens: the sweep comes to its end."""
        self.outage(away=False)
        for _ in range(300):
            pack = self.conductor.suggest()
            if pack == "done" and self.conductor.trouble is None:
                break
            if pack == "done":
                self.leave()
                self.start_driver()
            elif pack is not None:
                self.begin(pack)
            for trainer in list(self.processes.values()):
                self.finish(trainer)
            self.join()
            self.look()
        self.check_end()
        self.checkpoints_are_as_they_are_said_to_be()
        assert self.mlflow[ELSEWHERE].weights.keys() == self.elsewhere
        assert -1.0 not in self.tracked.accuracy.values()
        self.outbox.close()
        shutil.rmtree(self.home)

    def epoch(self, trainer):
        """Train an epoch; return its results, and count the failures among them."""
        events = trainer.epoch()
        self.failures.update(
            event.key for event in events if isinstance(event, TrialEnded) and event.reason
        )
        return events

    def finish(self, trainer):
        """A process ends by itself, unless the driver wants it elsewhere before."""
        while not trainer.done and trainer.pack.key in self.processes:
            self.tell(trainer, self.epoch(trainer))
        if self.processes.pop(trainer.pack.key, None) is not None:
            self.conductor.close(trainer.pack)


class Halved(Sweeps):
    """A search whose packs halving prunes; survivors of several packs go on together."""

    @initialize(
        count=st.integers(2, len(KEYS)),
        size=st.integers(2, 3),
        slots=st.integers(1, 3),
        fails=FAILS,
        keep=st.sampled_from(POLICIES),
    )
    def prepare(self, count, size, slots, fails, keep):
        self.set_out(KEYS[:count], size, slots, fails, keep, foreign=False)
        packs = make_packs(self.plan, size)
        self.proposed = [Pack(pack.members, HALVING) for pack in packs]
        self.start_driver()


@pytest.mark.parametrize("machine", [Sweeps, Halved])
def test_every_trial_ends_once_and_checkpoints_are_as_they_are_said_to_be(machine, monkeypatch):
    # The few packs of a search that halves come to where a survivor goes on alone.
    monkeypatch.setattr("jobs.driver.rungs.LONE_PATIENCE", 1)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
