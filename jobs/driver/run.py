"""A sweep from plan to finished trials: what is held, what is missing, what to run, the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from jobs.cluster.preflight import Checklist
from jobs.cluster.resources import Slots
from jobs.cluster.session import quiet_log, ray_session
from jobs.driver.attempts import Attempts
from jobs.driver.conductor import Conductor
from jobs.driver.decided import ClaimNotifier, notifying
from jobs.driver.overseer import Overseer, overseeing, send
from jobs.driver.progress import Watcher
from jobs.driver.retention import Kept, Retention, kept_before
from jobs.driver.session import Session, Setting, Status, open_session
from jobs.driver.signals import interrupt, on_interrupt
from jobs.driver.sources import Queue, Source
from jobs.packing import choose_packs
from jobs.planning.estimate import costs
from jobs.worker.train import Workplace
from search_spaces.plan import Plan
from tass_core.errors import TassError
from tracking.reader import TrialRun

Held: TypeAlias = dict[str, TrialRun]
"""Trial key -> run, of the finished trials that MLflow holds."""
Notify = Callable[[str, str], None]
"""Sends a message, by its title and body."""
Begin = Callable[[Session, Held], Source]
"""Returns what a sweep asks for, given what is held."""


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
    lacking: list[str] = field(default_factory=list)
    """What to call the trials that never ended, unless somebody stopped the sweep."""
    interrupted: bool = False
    trouble: str | None = None
    """Why the sweep could not go on to its end."""
    missing: int = 0
    """Trials that the next run will train."""
    behind: str | None = None
    """Why MLflow lacks what is in the outbox, or None when it has everything."""
    seconds: float = 0.0
    log: Path | None = None

    @property
    def status(self) -> Status:
        """``finished``, ``failed`` or ``stopped``, as MLflow calls it."""
        if self.interrupted:
            return "stopped"
        return "failed" if self.failed or self.lacking or self.trouble else "finished"


def run_sweep(plan: Plan, begin: Begin, setting: Setting, watcher: Watcher) -> Outcome:
    """Train what a source asks for, and close the sweep.

    Raises:
        SweepError: something stands in the way: another sweep, a storage, a store, a request.
        TrackingError: the tracking store cannot be reached.
    """
    with on_interrupt(interrupt), open_session(plan, setting) as session:
        held = session.restore(session.held())
        source = begin(session, held)
        attempts = Attempts(setting.max_failures, held, since=time.time())
        conductor = None
        if source.exhausted():
            session.open()
        else:
            conductor = _train(session, source, attempts, held, watcher)
        outcome = _close(session, attempts.lacking(source.wanted()), conductor)
        _tell_decided(session, watcher, outcome)
        return outcome


def grid(session: Session, held: Held) -> Source:
    """Begin with every trial of the plan that MLflow does not hold."""
    plan, setting = session.plan, session.setting
    missing = {key: trial for key, trial in plan.trials.items() if key not in held}
    session.progress.held = len(plan.trials) - len(missing)
    size, cost = setting.resources.pack_size, costs(held)
    return Queue(
        missing,
        lambda slots: choose_packs(missing, plan.trials, setting.storage, size, slots, cost),
    )


def _train(
    session: Session, source: Source, attempts: Attempts, held: Held, watcher: Watcher
) -> Conductor:
    """Open the sweep once it is known that the cluster can run it, and run its packs."""
    setting = session.setting
    checklist = Checklist(
        dataset=str(setting.dataset.folder),
        fingerprint=setting.dataset.fingerprint,
        storage=setting.storage.place,
        probe=session.probe() if setting.resources.address else "",
        gpus=setting.resources.gpus_per_worker or 0.0,
    )
    with quiet_log(session.log), ray_session(setting.resources, checklist) as fleet:
        slots = fleet.gather(watcher.note)
        fleet.watch()
        session.open()
        conductor = Conductor(
            source=source,
            storage=setting.storage,
            fleet=fleet,
            record=session.record,
            start=session.opening,
            progress=session.progress,
            watcher=watcher,
            attempts=attempts,
            retention=Retention(setting.keep, _kept(session, held)),
        )
        session.lease.on_lost(lambda: conductor.halt(str(session.lease.lost)))
        # Not before: what Ray reads at its import is set by its session.
        from jobs.driver.tune import run_packs

        with (
            overseeing(_overseer(session, conductor, watcher, slots)),
            notifying(_claim_notifier(session, watcher), session.progress),
        ):
            run_packs(conductor, _workplace(session, slots), slots)
    return conductor


def _kept(session: Session, held: Held) -> dict[str, Kept]:
    """Return the checkpoints that earlier runs of the sweep kept."""
    own = [trial for key, trial in held.items() if key in session.plan.trials]
    return kept_before(own, session.sweep_run, session.setting.storage.place)


def _overseer(session: Session, conductor: Conductor, watcher: Watcher, slots: Slots) -> Overseer:
    setting = session.setting

    def stop(reason: str) -> None:
        if not conductor.stopping:
            watcher.note(f"Stopping after what is saved: {reason}.")
            conductor.stopping = True

    return Overseer(
        progress=session.progress,
        limits=setting.limits,
        gpus=slots.gpus * slots.workers,
        store=session,
        stop=stop,
        notify=_notifier(session, watcher),
        began=setting.began,
    )


def _notifier(session: Session, watcher: Watcher) -> Notify | None:
    """Return what sends a message, or None where nobody wants any."""
    url = session.setting.notify
    if url is None:
        return None

    def notify(title: str, body: str) -> None:
        failure = send(url, title, body)
        if failure is not None:
            watcher.note(failure)

    return notify


def _claim_notifier(session: Session, watcher: Watcher) -> ClaimNotifier | None:
    """Return what tells of decided claims, or None where nobody wants to know."""
    notify = _notifier(session, watcher)
    if notify is None or session.sweep_run is None:
        return None
    setting = session.setting
    return ClaimNotifier(setting.tracking_uri, session.origin.dataset, session.sweep_run, notify)


def _tell_decided(session: Session, watcher: Watcher, outcome: Outcome) -> None:
    """Tell of the claims that the last trials decided, which MLflow has by now."""
    try:
        notifier = _claim_notifier(session, watcher) if outcome.behind is None else None
        if notifier is not None:
            notifier.look()
    except TassError as error:
        watcher.note(f"--notify: the claims could not be judged ({error})")


def _workplace(session: Session, slots: Slots) -> Workplace:
    setting = session.setting
    return Workplace(
        dataset=str(setting.dataset.folder),
        fingerprint=setting.dataset.fingerprint,
        storage=setting.storage.place,
        threads=slots.threads,
        gpus=slots.gpus,
        fuse=setting.resources.fuse or ("auto" if slots.gpus else "off"),
        save_every=setting.checkpoint_every,
        lease=session.lease.number,
    )


def _close(session: Session, lacking: Sequence[str], conductor: Conductor | None) -> Outcome:
    progress = session.progress
    stopping = conductor is not None and conductor.stopping
    trouble = conductor.trouble if conductor is not None else None
    outcome = Outcome(
        sweep_run=session.sweep_run,
        trained=progress.done,
        held=progress.held,
        pruned=progress.pruned,
        failed={progress.label(key): reason for key, reason in progress.failed.items()},
        interrupted=stopping and trouble is None,
        trouble=trouble,
        missing=progress.remaining,
        log=session.log if session.log.exists() else None,
    )
    if not outcome.interrupted:
        outcome.lacking = [progress.label(key) for key in lacking]
    outcome.behind = session.close(outcome.status)
    if outcome.behind is not None:
        outcome.sweep_run = None
    refused = session.refused().items()
    outcome.failed |= {f"MLflow refuses events of {lane}": reason for lane, reason in refused}
    outcome.seconds = time.monotonic() - session.started
    return outcome
