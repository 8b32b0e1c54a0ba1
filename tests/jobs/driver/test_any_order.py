"""Whatever happens in whatever order, every wanted trial ends exactly once or is named.

The real conductor, attempts, retention and storage; only training is played. A pack writes the
files that the trainer writes, as far as the driver and the storage read them.
"""

import json
import shutil
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path

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
from jobs.driver.attempts import Attempts
from jobs.driver.conductor import Conductor
from jobs.driver.progress import Progress
from jobs.driver.retention import Kept, Retention
from jobs.driver.sources import Queue
from jobs.packing import choose_packs, make_packs
from jobs.storage import open_storage
from jobs.storage.claims import claim
from jobs.storage.results import settle
from tass_core.config import TrialConfig
from tass_core.trial import Trial
from tests.jobs.driver.test_conductor import Silent
from tracking.events import EpochDone, TrialEnded, TrialOpened, WeightsDropped

EPOCHS = 2
POLICIES = ("best", "top:2", "top:1")
NOT_FINITE = "the training loss was not finite"
KEYS = tuple("abcd")
TRIALS = {key: Trial(TrialConfig().replace("model.tau", n / 100), 0) for n, key in enumerate(KEYS)}
QUALITY = {key: 50.0 + (7 * n) % 5 for n, key in enumerate(KEYS)}


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
        self.claim = claim(storage, pack, 0)
        self.folder = self.claim.folder
        self.index = self.folder / "pack.json"
        if self.index.exists():
            self.saved = json.loads(self.index.read_text())
        else:
            new = {"status": "running", "history": [], "best_epoch": 0}
            records = [{"key": key, **new, "history": []} for key in pack.members]
            self.saved = {"format": 1, "epoch": 0, "records": records}

    def replay(self):
        """Return all results that are saved, as a process tells them first."""
        return [event for record in self.saved["records"] for event in self._told(record)]

    @property
    def done(self):
        return all(record["status"] != "running" for record in self.saved["records"])

    def epoch(self):
        """Train one epoch and save it; return its results."""
        self.saved["epoch"] += 1
        new = []
        for record in self.saved["records"]:
            if record["status"] != "running":
                continue
            before = len(self._told(record))
            if (record["key"], self.pack.attempt) in self.fails:
                record |= {"status": "failed", "at": self.clock.now(), "reason": NOT_FINITE}
            else:
                record["history"].append(self.clock.now())
                self._write(record)
                if len(record["history"]) == EPOCHS:
                    record |= {"status": "finished", "at": self.clock.now(), "reason": None}
            new += self._told(record)[before:]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"state-{self.saved['epoch']:04d}.safetensors").touch()
        self.index.write_text(json.dumps(self.saved))
        return new

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
            EpochDone(key=key, attempt=attempt, epoch=n, metrics={}, seconds=1.0, at=at)
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
                weights=f"{self.claim.name}/{self._weights(key)}" if there else None,
                predictions=f"{self.claim.name}/trials/{key}/predictions.parquet",
                at=record["at"],
            )
            told.append(settle(self.storage, [*told, end]))
        return told


class Tracked:
    """What MLflow holds once all that was posted has arrived."""

    def __init__(self):
        self.weights, self.accuracy, self.dropped = {}, {}, set()

    def apply(self, events):
        for event in events:
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
        wanted=st.sets(st.sampled_from(KEYS), min_size=2),
        size=st.integers(1, 4),
        slots=st.integers(1, 3),
        fails=st.sets(st.tuples(st.sampled_from(KEYS), st.integers(0, 1)), max_size=4),
        keep=st.sampled_from(POLICIES),
        foreign=st.booleans(),
        study=st.booleans(),
    )
    def prepare(self, wanted, size, slots, fails, keep, foreign, study):
        self.home = Path(tempfile.mkdtemp(prefix="any-order-"))
        self.storage, self.clock, self.tracked = open_storage(str(self.home)), Clock(), Tracked()
        self.plan = {key: TRIALS[key] for key in sorted(wanted)}
        self.size, self.slots, self.fails = size, slots, fails
        # A study hands out its packs again as they were, whatever became of some members.
        self.proposed = make_packs(self.plan, size) if study else None
        self.keep = Keep.parse(keep)
        # Another sweep holds the first trial, with a checkpoint of its own.
        self.foreign = set(sorted(wanted)[:1]) if foreign else set()
        for key in self.foreign:
            weights = f"packs/another/trials/{key}/best-0001"
            (self.home / weights).mkdir(parents=True)
            self.tracked.weights[key], self.tracked.accuracy[key] = weights, 1.0
        self.start_driver()

    def start_driver(self):
        held = set(self.tracked.weights)
        missing = {key: trial for key, trial in self.plan.items() if key not in held}
        self.ends, self.failures = {}, Counter()
        self.processes = {}
        own = [key for key in self.plan if key in held and key not in self.foreign]
        self.missing = set(missing)

        def choose(slots):
            if self.proposed is not None:
                return [pack for pack in self.proposed if self.missing & pack.members.keys()]
            return choose_packs(missing, self.plan, self.storage, self.size, slots)

        self.conductor = Conductor(
            Queue(missing, choose),
            self.storage,
            self.record,
            lambda key: TrialOpened(key=key, sweep="s", name=key, params={}, tags={}, at=0.0),
            Progress("s", self.plan, {}),
            Silent(),
            Attempts(self.max_failures, held, since=self.clock.now()),
            Retention(self.keep, self.tracked.kept(own)),
        )
        self.conductor.slots = self.slots

    def record(self, events):
        for event in events:
            if isinstance(event, WeightsDropped):
                assert event.key not in self.foreign, f"{event.key} is another sweep's"
            if isinstance(event, TrialEnded):
                assert event.key in self.missing, f"{event.key} was not missing"
                assert event.key not in self.ends, f"{event.key} ended twice"
                self.ends[event.key] = event.status
                if event.reason == NOT_FINITE:
                    assert self.failures[event.key] > self.max_failures, f"{event.key} gave up"
        self.tracked.apply(events)

    def begin(self, pack):
        trainer = Trainer(pack, self.storage, self.clock, self.fails)
        self.processes[pack.key] = trainer
        self.conductor.receive(pack, trainer.replay())

    def pick(self, data):
        key = data.draw(st.sampled_from(sorted(self.processes)))
        return self.processes[key]

    @rule()
    def ask(self):
        """Tune asks for a pack."""
        pack = self.conductor.suggest()
        if pack == "done":
            self.check_end()
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
                break
            self.conductor.receive(trainer.pack, self.epoch(trainer))

    @precondition(lambda self: self.processes)
    @rule(data=st.data(), untold=st.booleans(), for_good=st.booleans())
    def die(self, data, untold, for_good):
        """A process dies, which may not have told what it saved; Ray starts it again, or not."""
        trainer = self.pick(data)
        if untold and not trainer.done:
            self.epoch(trainer)
        if for_good:
            del self.processes[trainer.pack.key]
            self.conductor.close(trainer.pack, "its process died")
        else:
            self.conductor.retrying(trainer.pack, "its process died")
            self.begin(trainer.pack)

    @rule(untold=st.booleans(), stops=st.booleans(), keep=st.sampled_from(POLICIES))
    def start_over(self, untold, stops, keep):
        """The driver is killed or stopped; the same command runs again, its bounds apart."""
        for trainer in self.processes.values():
            if untold and not trainer.done:
                self.epoch(trainer)
        if stops:
            self.conductor.stopping = True
            assert self.conductor.suggest() == "done"
            for trainer in self.processes.values():
                self.conductor.close(trainer.pack, "stopped")
            self.conductor.give_back()
        self.keep = Keep.parse(keep)
        self.start_driver()

    def check_end(self):
        """No trial is without an end, unless it is named."""
        assert not self.processes
        assert self.conductor.lacking() == []
        assert self.ends.keys() == self.missing

    @invariant()
    def checkpoints_are_as_they_are_said_to_be(self):
        for weights in filter(None, self.tracked.weights.values()):
            assert (self.home / weights).is_dir(), f"{weights} is named and gone"
        for weights in self.tracked.dropped:
            assert not (self.home / weights).exists(), f"{weights} is dropped and there"
        if self.keep.policy != "best" and "finished" in self.ends.values():
            assert len(self.tracked.kept(self.plan.keys() - self.foreign)) <= self.keep.top

    def teardown(self):
        """Nothing more happens: the sweep comes to its end."""
        while (pack := self.conductor.suggest()) != "done":
            if pack is not None:
                self.begin(pack)
            for trainer in list(self.processes.values()):
                self.finish(trainer)
        self.check_end()
        self.checkpoints_are_as_they_are_said_to_be()
        shutil.rmtree(self.home)

    def epoch(self, trainer):
        """Train an epoch; return its results, and count the failures among them."""
        events = trainer.epoch()
        self.failures.update(
            event.key for event in events if isinstance(event, TrialEnded) and event.reason
        )
        return events

    def finish(self, trainer):
        """A process ends by itself."""
        while not trainer.done:
            self.conductor.receive(trainer.pack, self.epoch(trainer))
        del self.processes[trainer.pack.key]
        self.conductor.close(trainer.pack)


def test_every_trial_ends_once_and_checkpoints_are_as_they_are_said_to_be():
    run_state_machine_as_test(
        Sweeps,
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
