"""The train function: one pack, from its description to its results, wherever it runs.

It knows nothing of Ray. Whoever calls it hands it the thing that reports: in a Tune trainable
that is ``ray.tune.report``, in a worker of ``TorchTrainer`` it is ``ray.train.report``.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import torch

from jobs.machine.allocator import keep_memory
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.generations import Generation, begin
from tass_core.data.folder.dataset import open_dataset
from tass_core.devices import device_for
from tass_core.errors import SweepError
from tass_core.training.fuse import Fuse
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, TrialResult
from tass_core.workers import Shard
from tracking.events import EpochDone, Result, TrialEnded
from tracking.provenance import describe_environment

Report = Callable[[list[Result]], None]

PATIENCE = 3600.0
"""Seconds for which a bucket may be away before a pack gives up: no attempt is lost by it."""
AHEAD = 2
"""Saves that may be under way; training waits for the storage then."""


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
    save_every: int = 1
    """Epochs from one save of a pack's state to the next."""
    lease: int = 0
    """Number of the driver's lease; 0 for no driver."""


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
        SweepError: this node sees another dataset than the driver, or another process has
            taken the pack since.
        OSError: the storage does not answer.
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
    shard = shard or Shard()
    own = _begin(pack, place) if shard.first else None
    folder = shard.of_first(own.folder if own else Path())
    results: list[EpochResult | TrialResult] = []
    reporter = _Reporter(pack, own)

    def close_epoch() -> bool:
        epochs = reporter.take(results)
        if results:
            report([*epochs, *reporter.ended()])
            results.clear()
        return False

    with contextlib.closing(own) if own else contextlib.nullcontext():
        trained = train_pack(
            [pack.members[key] for key in sorted(pack.members)],
            dataset,
            folder=folder,
            device=where,
            pruner=pack.pruner,
            shard=shard,
            fuse=place.fuse,
            save_every=place.save_every,
            until=pack.until,
            stop=close_epoch,
            replay=True,
        )
        for result in trained:
            results.append(result)
        close_epoch()
        report(reporter.rest())


def _begin(pack: Pack, place: Workplace) -> Generation:
    return begin(open_storage(place.storage, patience=PATIENCE), pack, place.lease)


class _Reporter:
    """Makes events of a pack's results, and shares out each epoch's wall-clock.

    All that belongs to an epoch counts. Results that this process did not train take no time.
    An end is told once it is saved, since nothing comes after it; epochs do not wait.

    Args:
        pack: whose results.
        generation: where they are saved; None for a worker that is not the first of several.
    """

    def __init__(self, pack: Pack, generation: Generation | None) -> None:
        self._pack, self._generation = pack, generation
        self._started = self._last = time.time()
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._stories: dict[str, list[Result]] = defaultdict(list)
        self._saving: deque[Future[list[TrialEnded]]] = deque()
        self._ended: list[Result] = []

    def take(self, results: Sequence[EpochResult | TrialResult]) -> list[Result]:
        """Have one epoch of all members saved; return those of its events that do not wait.

        Raises:
            SweepError: another process has taken the pack.
            OSError: the storage does not answer.
        """
        told = self._describe(results)
        for event in told:
            self._stories[event.key].append(event)
        ended = [self._stories.pop(it.key) for it in told if isinstance(it, TrialEnded)]
        if self._generation is not None:
            self._saving.append(self._generation.save(ended))
        while self._saving and (self._saving[0].done() or len(self._saving) > AHEAD):
            self._ended += self._saving.popleft().result()
        return [event for event in told if isinstance(event, EpochDone)]

    def ended(self) -> list[Result]:
        """Return the ends that are saved and were not told yet."""
        ended, self._ended = self._ended, []
        return ended

    def rest(self) -> list[Result]:
        """Wait until all is saved, and return the ends that were not told yet."""
        return [*self.ended(), *(end for saving in self._saving for end in saving.result())]

    def _describe(self, results: Sequence[EpochResult | TrialResult]) -> list[Result]:
        now = time.time()
        fresh = [it for it in results if isinstance(it, EpochResult) and self._is_fresh(it)]
        share = (now - self._last) / max(len(fresh), 1)
        self._last = now
        for result in fresh:
            self._seconds[result.key].append(share)
        return [
            self._epoch(result, share) if isinstance(result, EpochResult) else self._end(result)
            for result in results
        ]

    def _is_fresh(self, result: EpochResult) -> bool:
        return result.finished_at >= self._started

    def _epoch(self, result: EpochResult, share: float) -> EpochDone:
        return EpochDone(
            key=result.key,
            attempt=self._pack.attempt,
            epoch=result.epoch,
            metrics=dict(result.metrics),
            seconds=share if self._is_fresh(result) else None,
            at=result.finished_at,
        )

    def _end(self, result: TrialResult) -> TrialEnded:
        place = f"{self._generation.name if self._generation else ''}/trials/{result.key}"
        seconds = self._seconds[result.key]
        assert result.status != "running"
        return TrialEnded(
            key=result.key,
            attempt=self._pack.attempt,
            status=result.status,
            reason=result.reason,
            best_epoch=result.best_epoch,
            metrics=dict(result.metrics),
            weights=f"{place}/{result.weights.name}" if result.weights else None,
            predictions=f"{place}/{result.predictions.name}" if result.predictions else None,
            fused=result.fused,
            seconds_per_epoch=statistics.mean(seconds) if seconds else None,
            environment=describe_environment(),
            at=result.finished_at,
        )
