"""The train function: one pack, from its description to its results, wherever it runs.

It knows nothing of Ray. Whoever calls it hands it the thing that reports: in a Tune trainable
that is ``ray.tune.report``, in a worker of ``TorchTrainer`` it is ``ray.train.report``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from jobs.machine.allocator import keep_memory
from jobs.packs import Pack
from jobs.storage.packs import Storage
from tass_core.data.folder.dataset import open_dataset
from tass_core.devices import device_for
from tass_core.errors import SweepError
from tass_core.training import Fuse, Shard, train_pack
from tracking.described import Event, describe

Report = Callable[[list[Event]], None]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every pack of a sweep needs to know about where it trains."""

    dataset: str
    """Path of the dataset folder, the same on every node."""
    fingerprint: str
    """The dataset the sweep was planned for."""
    storage: str
    threads: int
    """Threads for torch; 0 leaves torch's own choice."""
    gpus: float
    """GPUs of one worker; 0 trains on the CPU."""
    fuse: Fuse = "off"
    """How many members of a pack make their steps as one."""


def train(pack: Pack, place: Workplace, report: Report, shard: Shard | None = None) -> None:
    """Train a pack, or what is missing of it, and report its results epoch by epoch.

    Results of earlier runs are reported again, first: the driver may have died before it wrote
    them down. Whoever receives them must treat a repeated result as one.

    Args:
        pack: what to train.
        place: where the data is, and where the results go.
        report: takes the events of one epoch of all members.
        shard: this worker's place among several.

    Raises:
        SweepError: this node sees another dataset than the driver.
        DataError, ConfigError, CheckpointError: as ``tass_core.training.train_pack``.
    """
    keep_memory()
    if place.threads:
        torch.set_num_threads(place.threads)
    dataset = open_dataset(Path(place.dataset))
    if dataset.fingerprint != place.fingerprint:
        raise SweepError(
            f"{place.dataset}: this node holds dataset {dataset.fingerprint}, the sweep was "
            f"planned for {place.fingerprint}; make the same folder visible on every node"
        )
    where = device_for(place.gpus)
    if where == "cuda" and place.gpus < 1:
        torch.cuda.set_per_process_memory_fraction(place.gpus)
    storage = Storage(place.storage)
    writes = shard is None or shard.rank == 0
    folder = storage.open_pack(pack)
    events: list[Event] = []
    clock = _EpochClock()

    def close_epoch() -> bool:
        if writes:
            storage.publish(pack.key)
        if events:
            clock.share(events)
            report(list(events))
            events.clear()
        return False

    results = train_pack(
        [pack.members[key] for key in sorted(pack.members)],
        dataset,
        folder=folder,
        device=where,
        halving=pack.halving,
        shard=shard,
        fuse=place.fuse,
        stop=close_epoch,
        replay=True,
    )
    for result in results:
        events.append(describe(result, pack.key))
    close_epoch()


class _EpochClock:
    """Shares out the wall-clock of an epoch, all that belongs to it, among those who ran."""

    def __init__(self) -> None:
        self._started = self._last = time.time()

    def share(self, events: list[Event]) -> None:
        """Note the seconds of each epoch that this call trained; repeated ones get none."""
        now = time.time()
        fresh = [e for e in events if e["kind"] == "epoch" and e["at"] >= self._started]
        for event in fresh:
            event["seconds"] = (now - self._last) / len(fresh)
        self._last = now
