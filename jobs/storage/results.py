"""Finished trials by their keys, and sweeps by theirs: what MLflow can be told again.

``trials/<trial key>.jsonl`` has the trial's results, one a line, as its process told them. The
first process that finishes a trial creates the file, and nothing changes it.
``sweeps/<sweep key>.jsonl`` has what opened the sweep, and what closed it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from jobs.storage import Storage
from jobs.storage.saved import leave_aside
from tass_core.errors import TrackingError
from tracking.events import (
    EpochDone,
    Result,
    SweepClosed,
    SweepOpened,
    TrialEnded,
    from_json,
    to_json,
)

logger = logging.getLogger(__name__)

TRIALS, SWEEPS = "trials", "sweeps"


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """A sweep that somebody ran with this storage."""

    opened: SweepOpened
    """With the plan as it was last."""
    closed: SweepClosed | None


def settle(storage: Storage, story: Sequence[Result]) -> TrialEnded:
    """Record a trial's end; return the one that counts: of several finished ones the first.

    Args:
        storage: has the files that the end names.
        story: all results of one attempt, the end last.

    Raises:
        OSError: the storage does not answer.
    """
    end = story[-1]
    assert isinstance(end, TrialEnded)
    if end.status != "finished":
        return end
    text = "".join(f"{to_json(event)}\n" for event in story)
    while not storage.create(_name(end.key), text):
        found = _read(storage, end.key)
        if found is None:
            storage.delete(_name(end.key))
        elif isinstance(found[-1], TrialEnded):
            return found[-1]
    return end


def finished(storage: Storage, keys: Collection[str]) -> dict[str, list[Result]]:
    """Return what the storage knows of finished trials: key -> epochs and end.

    A trial whose predictions are gone is not finished, and forgotten. Weights that were not kept
    are no longer named.

    Raises:
        OSError: the storage does not answer.
    """
    found = {key: _read(storage, key) for key in sorted(settled(storage) & set(keys))}
    return {key: story for key, story in found.items() if story is not None}


def settled(storage: Storage) -> set[str]:
    """Return the keys of the trials that the storage has finished results of."""
    return {name.removesuffix(".jsonl") for name in storage.names(TRIALS)}


def store_sweep(storage: Storage, sweep: StoredSweep) -> None:
    """Write down what somebody asked for, in the place of what was known of the same sweep.

    Raises:
        OSError: the storage does not answer.
    """
    text = f"{to_json(sweep.opened)}\n"
    if sweep.closed is not None:
        text += f"{to_json(sweep.closed)}\n"
    storage.write(f"{SWEEPS}/{sweep.opened.sweep}.jsonl", text)


def stored_sweeps(storage: Storage) -> list[StoredSweep]:
    """Return every sweep, the oldest first; one that cannot be read is named in the log.

    Raises:
        OSError: the storage does not answer.
    """
    found: list[StoredSweep] = []
    for name in storage.names(SWEEPS):
        try:
            opened, *rest = map(from_json, storage.read(f"{SWEEPS}/{name}").splitlines())
            if not isinstance(opened, SweepOpened):
                raise ValueError("it does not tell how the sweep was opened")
        except (TrackingError, ValueError) as error:
            leave_aside(f"{storage.place}/{SWEEPS}/{name}", str(error))
            continue
        closed = next((event for event in rest if isinstance(event, SweepClosed)), None)
        found.append(StoredSweep(opened, closed))
    return sorted(found, key=lambda sweep: sweep.opened.at)


def _read(storage: Storage, key: str) -> list[Result] | None:
    """Return a trial's results, or None when they are gone or incomplete."""
    try:
        *epochs, end = map(from_json, storage.read(_name(key)).splitlines())
        if not isinstance(end, TrialEnded) or end.predictions is None:
            raise ValueError("it does not tell how the trial ended")
    except FileNotFoundError:
        return None
    except (TrackingError, ValueError) as error:
        leave_aside(f"{storage.place}/{_name(key)}", str(error))
        return None
    folder, _, name = end.predictions.rpartition("/")
    if name not in storage.names(folder):
        logger.warning("trial %s trains anew: its predictions are gone", key)
        return None
    kept = end.weights if end.weights and storage.names(end.weights) else None
    return [*(it for it in epochs if isinstance(it, EpochDone)), replace(end, weights=kept)]


def _name(key: str) -> str:
    return f"{TRIALS}/{key}.jsonl"
