"""A sweep from plan to finished trials: what is held, what is missing, what to run, the end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from jobs.choices import Keep
from jobs.cluster.resources import Resources, Slots
from jobs.cluster.session import find_slots, quiet_log, ray_session
from jobs.driver.conductor import Conductor
from jobs.driver.progress import Progress, Watcher
from jobs.driver.sources import Queue, Source
from jobs.packing import choose_packs
from jobs.storage.packs import Storage
from jobs.worker.train import Workplace
from search_spaces.plan import Plan
from tass_core import TRAINING_VERSION
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import SweepError
from tass_core.trial import Trial
from tracking import schema
from tracking.connect import shown, store_name
from tracking.delivery import Delivery
from tracking.events import (
    EpochDone,
    Event,
    Origin,
    PlanGrew,
    SweepClosed,
    SweepOpened,
    TrialOpened,
)
from tracking.outbox import Outbox
from tracking.provenance import describe_environment, environment
from tracking.reader import Reader, TrialRun
from tracking.writer import Writer

PATIENCE = 20.0
"""Seconds that the end of a sweep waits for a tracking store that is away."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how a sweep runs."""

    dataset: Dataset
    storage: Storage
    tracking_uri: str
    resources: Resources
    keep: Keep
    max_failures: int
    command: str
    """The command line, to be found again in MLflow."""


@dataclass(slots=True)
class Outcome:
    """How a sweep ended."""

    sweep_run: str | None
    """The parent run's id; None when MLflow is away."""
    trained: int
    held: int
    pruned: int
    failed: dict[str, str] = field(default_factory=dict)
    """What to call a trial -> why it failed."""
    interrupted: bool = False
    missing: int = 0
    """Trials that the next run will train."""
    behind: str | None = None
    """Why MLflow lacks what is in the outbox, or None when it has everything."""
    seconds: float = 0.0
    log: Path | None = None

    @property
    def status(self) -> Literal["finished", "failed", "stopped"]:
        """``finished``, ``failed`` or ``stopped``, as MLflow calls it."""
        if self.interrupted:
            return "stopped"
        return "failed" if self.failed else "finished"


class Session:
    """An open sweep: the lock, the outbox and the delivery of one driver.

    Use it as a context manager; leaving it closes the sweep's run in MLflow.
    """

    def __init__(self, plan: Plan, setting: Setting, watcher: Watcher) -> None:
        self.plan, self.setting, self.watcher = plan, setting, watcher
        uri, home = setting.tracking_uri, setting.storage.home
        self.origin = Origin(str(plan.dataset["name"]), plan.fingerprint, setting.storage.place)
        self.log = home / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        self.writer = Writer(uri, fetch)
        self.writer.open(self.origin.dataset)
        self.reader = Reader(uri)
        self.delivery = Delivery(Outbox(home, store_name(uri)), self.writer)
        self.started = time.monotonic()
        self.startup: float | None = None
        self.interrupted = False
        self.progress = Progress(plan.sweep, {}, {})
        self.opened = False

    def held(self) -> dict[str, TrialRun]:
        """Return the finished trials that MLflow holds, after what earlier drivers left.

        Raises:
            SweepError: the store does not take what they left.
        """
        self.delivery.start()
        if not self.delivery.drain(PATIENCE) and self.delivery.away:
            raise self._unwritable("an earlier sweep's results wait in the outbox")
        held = self.reader.held(self.origin.dataset)
        return {key: trial for key, trial in held.items() if trial.state == "finished"}

    def open(self) -> None:
        """Open the sweep's run in MLflow.

        Raises:
            SweepError: the store does not take it; so nothing is trained.
        """
        self.opened = True
        tags = {
            schema.SWEEP: self.plan.sweep,
            schema.COMMAND: shown(self.setting.command),
            schema.STATUS: "running",
            **_origin(self.plan),
            **{f"{schema.ENVIRONMENT}.{name}": text for name, text in environment().items()},
        }
        opening = SweepOpened(
            sweep=self.plan.key,
            name=self.plan.sweep,
            plan=self.plan.to_dict(),
            tags=tags,
            at=time.time(),
        )
        self.delivery.post(self.origin, [opening])
        arrived = self.delivery.drain(PATIENCE, self.plan.key)
        if not arrived or self.plan.key in self.delivery.refused:
            raise self._unwritable("the sweep cannot be opened")

    def _unwritable(self, what: str) -> SweepError:
        reason = self.delivery.refused.get(self.plan.key) or self.delivery.trouble or "no answer"
        return SweepError(f"tracking URI {shown(self.setting.tracking_uri)}: {what} ({reason})")

    def run(self, source: Source, slots: Slots) -> None:
        """Run what a source wants."""
        from jobs.driver.tune import run_packs

        setting = self.setting
        conductor = Conductor(
            source=source,
            storage=setting.storage,
            record=self._record,
            start=self._opening,
            progress=self.progress,
            watcher=self.watcher,
            keep=setting.keep,
            max_failures=setting.max_failures,
        )
        place = Workplace(
            dataset=str(setting.dataset.folder),
            fingerprint=setting.dataset.fingerprint,
            storage=setting.storage.place,
            threads=slots.threads,
            gpus=slots.gpus,
            fuse=setting.resources.fuse or ("auto" if slots.gpus else "off"),
        )
        run_packs(conductor, place, slots, setting.max_failures)
        self.interrupted = self.interrupted or conductor.stopping

    def close(self) -> Outcome:
        """Close the sweep's run and wait for MLflow; return how the sweep ended."""
        progress = self.progress
        outcome = Outcome(
            sweep_run=None,
            trained=progress.done,
            held=progress.held,
            pruned=progress.pruned,
            failed={progress.label(key): reason for key, reason in progress.failed.items()},
            interrupted=self.interrupted,
            missing=progress.remaining,
            log=self.log if self.log.exists() else None,
        )
        growth = PlanGrew(sweep=self.plan.key, plan=self.plan.to_dict(), at=time.time())
        self.delivery.post(self.origin, [growth, self._closing(outcome.status)])
        if self.delivery.drain(PATIENCE):
            outcome.sweep_run = self.writer.sweep_run(self.origin, self.plan.key)
        else:
            outcome.behind = self.delivery.trouble or "the tracking store does not answer"
        refused = self.delivery.refused.items()
        outcome.failed |= {f"MLflow refuses events of {lane}": reason for lane, reason in refused}
        outcome.seconds = time.monotonic() - self.started
        return outcome

    def abandon(self) -> None:
        """Close the sweep's run after an error that the sweep cannot mend."""
        if self.opened:
            self.delivery.post(self.origin, [self._closing("failed")])
            self.delivery.drain(PATIENCE / 4)

    def _closing(self, status: Literal["finished", "failed", "stopped"]) -> SweepClosed:
        return SweepClosed(sweep=self.plan.key, status=status, startup=self.startup, at=time.time())

    def _record(self, events: Sequence[Event]) -> None:
        spent = [e.seconds for e in events if isinstance(e, EpochDone) and e.seconds is not None]
        if spent and self.startup is None:
            self.startup = time.monotonic() - self.started - sum(spent)
        self.delivery.post(self.origin, events)
        self.progress.trouble = self.delivery.trouble

    def _opening(self, key: str) -> TrialOpened:
        trial, name = self.plan.trials[key], self.plan.name(key)
        self.progress.names[key] = name
        tags = {
            schema.VARIANT: name,
            schema.CONFIG_HASH: trial.config.hash(),
            schema.SEED: str(trial.seed),
            schema.ENVIRONMENT: describe_environment(),
            **_origin(self.plan),
        }
        return TrialOpened(
            key=key,
            sweep=self.plan.key,
            name=f"{name} · seed {trial.seed}",
            params={
                **trial.config.flat(),
                "seed": trial.seed,
                "fingerprint": self.plan.fingerprint,
            },
            tags=tags,
            at=time.time(),
        )


@contextmanager
def session(plan: Plan, setting: Setting, watcher: Watcher) -> Iterator[Session]:
    """Open a sweep's session; one storage has one at a time.

    Raises:
        SweepError: another sweep is running there, or it cannot be written.
        TrackingError: the tracking store cannot be reached.
    """
    if setting.resources.address is None:
        find_slots(setting.resources)
    setting.storage.check()
    home = setting.storage.home
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "sweep.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise SweepError(
            f"another sweep is running in {home}; wait for it, or name another --storage"
        ) from None
    opened = None
    try:
        opened = Session(plan, setting, watcher)
        yield opened
    except BaseException:
        if opened is not None:
            opened.abandon()
        raise
    finally:
        if opened is not None:
            opened.delivery.close()
        lock.release()


def fetch(place: str, relative: str) -> Path:
    """Return a local path of something in a storage.

    Raises:
        FileNotFoundError: it is gone.
    """
    path = Storage(place).fetch(relative)
    if path is None:
        raise FileNotFoundError(f"{place}/{relative}")
    return path


def run_grid(plan: Plan, setting: Setting, watcher: Watcher) -> Outcome:
    """Train every trial of the plan that MLflow does not hold, and close the sweep."""
    with session(plan, setting, watcher) as opened:
        held = opened.held()
        missing = register(opened, held)
        opened.open()
        if missing:
            with quiet_log(opened.log), ray_session(setting.resources) as slots:
                packs = choose_packs(
                    missing, plan.trials, setting.storage, setting.resources, slots
                )
                opened.run(Queue(packs), slots)
        return opened.close()


def register(opened: Session, held: Mapping[str, TrialRun]) -> dict[str, Trial]:
    """Tell the progress what is wanted and held; return what is missing."""
    plan, progress = opened.plan, opened.progress
    progress.trials = plan.trials
    progress.names = {key: plan.name(key) for key in plan.trials}
    missing = {key: trial for key, trial in plan.trials.items() if key not in held}
    progress.held = len(plan.trials) - len(missing)
    return missing


def _origin(plan: Plan) -> dict[str, str]:
    return {
        schema.FINGERPRINT: plan.fingerprint,
        schema.TRAINING_VERSION: str(TRAINING_VERSION),
        schema.DATASET: str(plan.dataset["name"]),
        schema.PROVENANCE: str(plan.dataset["provenance"]),
    }
