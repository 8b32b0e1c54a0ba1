"""Telling MLflow again what the storage knows: finished trials, whatever became of the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.driver.files import Files
from jobs.storage import Storage
from jobs.storage.lease import take
from jobs.storage.results import StoredSweep, finished, stored_sweeps
from tass_core.errors import SweepError
from tracking import schema
from tracking.events import Event, Origin, SweepOpened, TrialOpened
from tracking.reader import Reader, chosen
from tracking.rows import Wanted
from tracking.writer import Writer

_TAGS = (
    *(schema.FINGERPRINT, schema.TRAINING_VERSION, schema.DATASET, schema.PROVENANCE),
    *(schema.USER, schema.SOURCE, schema.SOURCE_TYPE),
)
"""What a trial's run has in common with its sweep's."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What was written."""

    sweeps: int
    trials: int
    held: int
    """Trials of the storage that MLflow held already."""


def sync(storage: Storage, uri: str) -> Synced:
    """Write the sweeps and finished trials of a storage to MLflow that it does not hold.

    Raises:
        SweepError: a driver has the storage, or it does not answer.
        TrackingError: the tracking store does not take them; the same call goes on.
    """
    with take(storage, "sync", "tass-cli sync"):
        writer = Writer(uri, Files())
        snapshot = Reader(uri).snapshot(wanted=Wanted())
        known = {sweep.tags.get(schema.SWEEP_KEY) for sweep in snapshot.sweeps}
        held = {key for key, runs in snapshot.trials.items() if chosen(runs).state == "finished"}
        sweeps = trials = before = 0
        try:
            for sweep in stored_sweeps(storage):
                keys = set(sweep.opened.plan["trials"])
                before += len(keys & held)
                told = retell(storage, sweep.opened, keys - held)
                if sweep.opened.sweep not in known:
                    told = [sweep.opened, *told, *([sweep.closed] if sweep.closed else ())]
                    sweeps += 1
                new = {event.key for event in told if isinstance(event, TrialOpened)}
                writer.apply(_origin(storage, sweep), told)
                trials += len(new)
                held |= new
        except OSError as error:
            raise SweepError(f"--storage {storage.place}: {error}") from None
    return Synced(sweeps, trials, before)


def retell(storage: Storage, sweep: SweepOpened, keys: Collection[str]) -> list[Event]:
    """Return the whole stories of those trials of a sweep that the storage knows as finished.

    Raises:
        OSError: the storage does not answer.
    """
    plan, told = sweep.plan, list[Event]()
    tags = {name: sweep.tags[name] for name in _TAGS if name in sweep.tags}
    for key, story in finished(storage, keys).items():
        trial = plan["trials"][key]
        variant = plan["variants"][trial["variant"]]
        opened = trial_opened(
            sweep.sweep, key, variant["name"], variant["config"], trial, tags, story[0].at
        )
        told += [opened, *story]
    return told


def trial_opened(
    sweep: str,
    key: str,
    name: str,
    config: Mapping[str, Any],
    trial: Mapping[str, Any],
    tags: Mapping[str, str],
    at: float,
) -> TrialOpened:
    """Return the event that opens a trial's run.

    Args:
        sweep: the sweep's key.
        key: the trial's.
        name: its variant's.
        config: its config by dotted field.
        trial: ``variant``, the config's hash, and ``seed``, as in ``plan.json``.
        tags: what its run has in common with the sweep's, and where it runs.
        at: when it begins.
    """
    own = {
        schema.VARIANT: name,
        schema.CONFIG_HASH: trial["variant"],
        schema.SEED: str(trial["seed"]),
    }
    return TrialOpened(
        key=key,
        sweep=sweep,
        name=f"{name} · seed {trial['seed']}",
        params={**config, "seed": trial["seed"], "fingerprint": tags[schema.FINGERPRINT]},
        tags={**own, **tags},
        at=at,
    )


def _origin(storage: Storage, sweep: StoredSweep) -> Origin:
    tags = sweep.opened.tags
    return Origin(tags[schema.DATASET], tags[schema.FINGERPRINT], storage.place)
