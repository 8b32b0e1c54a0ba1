"""An open sweep on the driver: its lock, its outbox and the delivery to MLflow."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jobs.choices import Keep
from jobs.cluster.preflight import PROBE
from jobs.cluster.resources import Resources
from jobs.cluster.session import find_slots
from jobs.driver.files import Files
from jobs.driver.outbox_copy import OutboxCopy
from jobs.driver.overseer import Limits, describe_driver
from jobs.driver.progress import Progress
from jobs.driver.sync import retell, trial_opened
from jobs.storage import Storage
from jobs.storage.lease import Lease, take
from jobs.storage.results import StoredSweep, store_sweep, stored_sweeps
from search_spaces.plan import Plan
from tass_core import TRAINING_VERSION
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import SweepError, TrackingError
from tracking import schema
from tracking.attach import beat
from tracking.delivery import Delivery, Sink
from tracking.events import (
    EpochDone,
    Event,
    Origin,
    PlanGrew,
    SweepClosed,
    SweepOpened,
    TrialOpened,
    TrialStopped,
)
from tracking.outbox import Outbox
from tracking.provenance import environment, user
from tracking.reader import Reader, TrialRun
from tracking.uris import shown, store_name
from tracking.writer import Writer

logger = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds that a sweep's start and end wait for a tracking store that is away."""

Status = Literal["finished", "failed", "stopped"]


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
    checkpoint_every: int = 1
    """Epochs from one save of a pack's state to the next."""
    limits: Limits = field(default_factory=Limits)
    notify: str | None = None
    """URL that is told of the first failure and of decided claims."""
    began: float = field(default_factory=time.monotonic)
    """When the command started: limits count from there."""


class Session:
    """What one driver has open; see ``open_session``."""

    def __init__(self, plan: Plan, setting: Setting, lease: Lease) -> None:
        self.plan, self.setting, self.lease = plan, setting, lease
        uri, home = setting.tracking_uri, setting.storage.home
        self.origin = Origin(str(plan.dataset["name"]), plan.fingerprint, setting.storage.place)
        self.log = home / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        self.sweep = plan.key
        self.sweep_run: str | None = None
        """The sweep's run in MLflow, once it is opened."""
        self.progress = Progress(plan.sweep, plan.trials, {k: plan.name(k) for k in plan.trials})
        self.started = time.monotonic()
        self._logged = len(plan.trials)
        """Trials of the plan that was logged last."""
        self._startup: float | None = None
        self._deliveries: list[Delivery] = []
        self._opened: SweepOpened | None = None
        self._open_before: dict[str, str | None] = {}
        """Trials that an earlier driver left open, with the sweep's run that each is under."""
        self._copies: list[OutboxCopy] = []
        self._writer = Writer(uri, Files())
        self._writer.open(self.origin.dataset)
        self.reader = Reader(uri)
        self._delivery = self.carry(self._writer, store_name(uri))

    def carry(self, sink: Sink, store: str) -> Delivery:
        """Start to carry events to a store; the session drains and closes the delivery.

        Args:
            sink: takes the events.
            store: tells the store's outbox from others.
        """
        storage = self.setting.storage
        outbox = Outbox(storage.home, store)
        if str(storage.home) != storage.place:
            self._copy(outbox)
        delivery = Delivery(outbox, sink)
        self._deliveries.append(delivery)
        delivery.start()
        # Whoever has the storage now tells the store; two would tell it two stories.
        self.lease.on_lost(delivery.halt)
        return delivery

    def held(self) -> dict[str, TrialRun]:
        """Return the finished trials that MLflow holds, after what earlier drivers left.

        Raises:
            SweepError: the store does not take what they left.
        """
        if not self._delivery.drain(PATIENCE) and self._delivery.away:
            raise self._unwritable("an earlier sweep's results wait in the outbox")
        known = self.reader.held(self.origin.dataset)
        self._open_before = {
            key: trial.parent for key, trial in known.items() if trial.state == "running"
        }
        return {key: trial for key, trial in known.items() if trial.state == "finished"}

    def restore(self, held: dict[str, TrialRun]) -> dict[str, TrialRun]:
        """Return what MLflow holds once it has been told of what the storage knows besides.

        That is every trial that the sweep wants, and that it wanted when it last ran: a search
        finds its old proposals again.

        Raises:
            SweepError: the storage or the store does not answer.
        """
        storage, own = self.setting.storage, self._opening()
        try:
            before = [it.opened for it in stored_sweeps(storage) if it.opened.sweep == self.sweep]
            wanted = replace(own, plan=_merged([it.plan for it in (*before, own)]))
            told = retell(storage, wanted, wanted.plan["trials"].keys() - held.keys())
        except OSError as error:
            raise SweepError(f"--storage {storage.place}: {error}") from None
        if not told:
            return held
        self.open()
        self._delivery.post(self.origin, told)
        return self.held()

    def open(self) -> None:
        """Open the sweep's run in MLflow.

        Raises:
            SweepError: the store does not take it; so nothing is trained.
        """
        self._opened = self._opening()
        self._delivery.post(self.origin, [self._opened])
        self._store(None)
        arrived = self._delivery.drain(PATIENCE, self.sweep)
        if not arrived or self.sweep in self._delivery.refused:
            raise self._unwritable("the sweep cannot be opened")
        self.sweep_run = self._writer.sweep_run(self.origin, self.sweep)

    def probe(self) -> str:
        """Write what every node has to read in the storage, and return it.

        Raises:
            SweepError: the storage cannot be written.
        """
        text = uuid.uuid4().hex
        try:
            self.setting.storage.write(PROBE, text)
        except OSError as error:
            raise SweepError(f"--storage {self.origin.storage}: {error}") from None
        return text

    def opening(self, key: str) -> TrialOpened:
        """Return the event that opens a trial's run."""
        self._open_before.pop(key, None)
        trial, name = self.plan.trials[key], self.plan.name(key)
        self.progress.names[key] = name
        described = {"variant": trial.config.hash(), "seed": trial.seed}
        # The sweep's view shows it from now on; its rows are named when the plan is logged.
        tags = self._tags() | {f"{schema.SWEEP}.{self.plan.sweep}": ""}
        return trial_opened(
            self.sweep, key, name, trial.config.flat(), described, tags, time.time()
        )

    def record(self, events: Sequence[Event]) -> None:
        """Put events into the outbox."""
        spent = [e.seconds for e in events if isinstance(e, EpochDone) and e.seconds is not None]
        if spent and self._startup is None:
            self._startup = time.monotonic() - self.started - sum(spent)
        self._delivery.post(self.origin, events)
        self.progress.trouble = self._delivery.trouble or self.lease.trouble

    def beat(self) -> bool:
        """Tell the tracking store that this driver lives; return whether it is to stop.

        Raises:
            TrackingError: the store does not answer.
        """
        assert self.sweep_run is not None
        return beat(self.setting.tracking_uri, self.sweep_run)

    def grow(self) -> None:
        """Log the plan when it has grown by a tenth: all loggings cost as much as a few."""
        if len(self.plan.trials) >= 1.1 * self._logged:
            self._log_plan()

    def close(self, status: Status) -> str | None:
        """Close the sweep's run; return why a store lacks something, or None when each has all."""
        closing = self._closing(status)
        try:
            self._log_plan()
            self._delivery.post(self.origin, [*self._stops(), closing])
            self._store(closing)
            behind = [it for it in self._deliveries if not it.drain(PATIENCE)]
        except TrackingError as error:
            return str(error)
        return next((it.trouble or "the store does not answer" for it in behind), None)

    def refused(self) -> Mapping[str, str]:
        """Return key of a trial or sweep -> why MLflow will never take what it was told."""
        return self._delivery.refused

    def leave(self, error: BaseException | None) -> None:
        """Stop the deliveries; an error that the sweep cannot mend closes its run.

        What was refused at the door leaves nothing that could arrive later.
        """
        stopped = isinstance(error, KeyboardInterrupt)
        refused = None if stopped or self.sweep_run else self._opened
        ours = self._opened is not None and refused is None and self.lease.lost is None
        try:
            if error is not None and ours:
                with suppress(TrackingError):
                    closing = self._closing("stopped" if stopped else "failed")
                    self._delivery.post(self.origin, [*self._stops(), closing])
                    self._delivery.drain(PATIENCE / 4)
        finally:
            for copy in self._copies if self.lease.lost is None else ():
                with suppress(OSError):
                    copy.write() if refused is None else copy.remove()
            for delivery in self._deliveries:
                delivery.close(without=refused)

    def _copy(self, outbox: Outbox) -> None:
        """Let what is not sent outlive this machine."""
        copy = OutboxCopy(self.setting.storage, outbox, self.lease.number)
        try:
            copy.take_over()
        except OSError as error:
            raise SweepError(f"--storage {self.origin.storage}: {error}") from None
        self.lease.on_beat(copy.write)
        self._copies.append(copy)

    def _log_plan(self) -> None:
        self._logged = len(self.plan.trials)
        growth = PlanGrew(sweep=self.sweep, plan=self.plan.to_dict(), at=time.time())
        self._delivery.post(self.origin, [growth])
        self._store(None)

    def _store(self, closing: SweepClosed | None) -> None:
        """Let the storage know the sweep, too, so that a new database can be told of it."""
        assert self._opened is not None
        sweep = StoredSweep(replace(self._opened, plan=self.plan.to_dict()), closing)
        try:
            store_sweep(self.setting.storage, sweep)
        except OSError as error:
            logger.warning("%s does not know the sweep's plan: %s", self.origin.storage, error)

    def _opening(self) -> SweepOpened:
        tags = {
            schema.SWEEP: self.plan.sweep,
            schema.COMMAND: shown(self.setting.command),
            schema.STATUS: "running",
            schema.STOP: "",
            schema.DRIVER: describe_driver(),
            schema.HEARTBEAT: f"{time.time():.0f}",
            **self._tags(),
            **{f"{schema.ENVIRONMENT}.{name}": text for name, text in environment().items()},
        }
        plan = self.plan.to_dict()
        return SweepOpened(
            sweep=self.sweep, name=self.plan.sweep, plan=plan, tags=tags, at=time.time()
        )

    def _closing(self, status: Status) -> SweepClosed:
        return SweepClosed(sweep=self.sweep, status=status, startup=self._startup, at=time.time())

    def _stops(self) -> list[Event]:
        """Return the events of the trials that are left without an end."""
        before = {key for key, run in self._open_before.items() if run == self.sweep_run}
        left = sorted(self.progress.running | before)
        return [TrialStopped(key=key, at=time.time()) for key in left]

    def _unwritable(self, what: str) -> SweepError:
        reason = self._delivery.refused.get(self.sweep) or self._delivery.trouble or "no answer"
        return SweepError(f"tracking URI {shown(self.setting.tracking_uri)}: {what} ({reason})")

    def _tags(self) -> dict[str, str]:
        return {
            schema.FINGERPRINT: self.plan.fingerprint,
            schema.TRAINING_VERSION: str(TRAINING_VERSION),
            schema.DATASET: str(self.plan.dataset["name"]),
            schema.PROVENANCE: str(self.plan.dataset["provenance"]),
            schema.USER: user(),
            # MLflow shows what follows the last slash; the whole command is a tag of its own.
            schema.SOURCE: f"tass-cli sweep {self.plan.sweep}",
            schema.SOURCE_TYPE: "LOCAL",
        }


def _merged(plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the trials and variants of several plans of one sweep."""
    return {
        part: {name: it for plan in plans for name, it in plan[part].items()}
        for part in ("trials", "variants")
    }


@contextmanager
def open_session(plan: Plan, setting: Setting) -> Iterator[Session]:
    """Open a sweep's session; one storage has one at a time.

    Raises:
        SweepError: another process has it, or it cannot be written.
        TrackingError: the tracking store cannot be reached.
    """
    if setting.resources.address is None:
        find_slots(setting.resources)
    setting.storage.check()
    setting.storage.home.mkdir(parents=True, exist_ok=True)
    with take(setting.storage, plan.key, plan.sweep) as lease:
        session = Session(plan, setting, lease)
        try:
            yield session
        except BaseException as error:
            session.leave(error)
            raise
        session.leave(None)


def send_again(home: Path, uri: str) -> int:
    """Deliver the events that MLflow refused once more; return how many there were.

    What arrives is gone from the outbox; ``tracking.status.read_outbox`` tells of the others.

    Raises:
        TrackingError: the store or the outbox cannot be reached.
    """
    delivery = Delivery(Outbox(home, store_name(uri)), Writer(uri, Files()))
    try:
        count = delivery.send_again()
        delivery.start()
        delivery.drain(PATIENCE)
    finally:
        delivery.close()
    return count
