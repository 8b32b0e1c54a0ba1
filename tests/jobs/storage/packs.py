"""Packs that tests of storage train, as workers do."""

import contextlib

from jobs.packs import Pack
from jobs.worker.train import Workplace, train
from tass_core.trial import Trial, trial_key
from tracking.events import EpochDone, TrialEnded


class KilledError(Exception):
    """Ends a pack as if its process were killed, once what was asked for is saved."""


def pack_of(world, *configs, seed=0):
    trials = [Trial(config.canonical(), seed) for config in configs]
    return Pack({trial_key(trial, world.fingerprint): trial for trial in trials})


def workplace(storage, world, **more):
    return Workplace(str(world.folder), world.fingerprint, storage.place, threads=1, gpus=0, **more)


def run(pack, storage, world, stop_after=None, **more):
    """Train a pack as a worker does; return its events, or stop as if it were killed."""
    events = []

    def report(batch):
        events.extend(batch)
        if stop_after and len(epochs(events)) >= stop_after:
            raise KilledError

    with contextlib.suppress(KilledError):
        train(pack, workplace(storage, world, **more), report)
    return events


def epochs(events):
    return [event for event in events if isinstance(event, EpochDone)]


def ends(events):
    return [event for event in events if isinstance(event, TrialEnded)]


def trained(events):
    """Return (trial, epoch) of the epochs that were not told again."""
    return [(event.key, event.epoch) for event in epochs(events) if event.seconds is not None]


def results(events):
    """Return what must be equal: everything but measured time."""
    found = {}
    for event in events:
        place = event.epoch if isinstance(event, EpochDone) else event.status
        metrics = {k: v for k, v in event.metrics.items() if k != "questions_per_s"}
        found[event.key, place] = metrics
    return found
