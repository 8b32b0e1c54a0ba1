"""Train a pack: trials that share seed and structure, epoch by epoch in one process.

Every batch is read once for all members. A member's numbers depend on its own trial alone,
whichever members it has beside it and wherever training was interrupted: to the bit where
members train one after another on a CPU, up to rounding where they are fused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tass_core.batches.source import BatchSource
from tass_core.data.folder.dataset import Dataset
from tass_core.devices import prepare, synchronise
from tass_core.errors import ConfigError
from tass_core.training.fuse import Fuse, asked_width
from tass_core.training.groups import Group, make_groups, make_stacks, take_step
from tass_core.training.member import Member
from tass_core.training.pruning import Correct, Pruner
from tass_core.training.results import EpochResult, TrialResult
from tass_core.training.resume import Record, load_members, read_state, remove_old, write_state
from tass_core.training.scoring import Scorer, truth_of
from tass_core.training.width import measured_width
from tass_core.trial import Trial, structure_key, trial_key
from tass_core.workers import Shard

Event = EpochResult | TrialResult


def train_pack(
    trials: Sequence[Trial],
    dataset: Dataset,
    *,
    folder: Path,
    device: str = "cpu",
    pruner: Pruner | None = None,
    shard: Shard | None = None,
    fuse: Fuse = "off",
    save_every: int = 1,
    until: int | None = None,
    stop: Callable[[], bool] | None = None,
    replay: bool = False,
) -> Iterator[Event]:
    """Train trials side by side and yield one result for each member and epoch.

    Calling it again with the same trials and folder continues after the last saved epoch
    with the same numbers; a finished pack yields nothing unless ``replay`` is set.

    Args:
        trials: they share the seed and ``structure_key``.
        dataset: what to train on.
        folder: the pack's own folder, see ``tass_core.training.resume``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        pruner: ends members early; None trains all to the end.
        shard: this worker's place among several, which ``torch.distributed`` connects.
        fuse: how many members make their steps as one, see ``tass_core.training.groups``;
            ``auto`` measures it, ``off`` keeps every member's bits.
        save_every: epochs from one save to the next; one in which a trial ends is saved, too.
        until: epoch after which training ends for now, and is saved; None trains to the end.
        stop: asked after every epoch; when it says yes, training ends cleanly there.
        replay: yield the results of earlier calls again, first.

    Raises:
        ConfigError: the trials cannot share a pack, or ``fuse`` is impossible.
        DataError: the dataset lacks what a config needs.
        CheckpointError: the folder holds another pack or is damaged.
    """
    _check_pack(trials, dataset)
    shard = shard or Shard()
    width = asked_width(fuse, shard.world_size)
    prepare(device)
    pack = _Pack(trials, dataset, folder, device, pruner, shard, width, save_every, until)
    if replay:
        for index, record in enumerate(pack.records):
            yield from record.results(index, folder)
    while pack.members and (until is None or pack.state.epoch < until):
        yield from pack.run_epoch()
        if stop is not None and shard.of_first(stop()):
            return


def _check_pack(trials: Sequence[Trial], dataset: Dataset) -> None:
    if not trials:
        raise ConfigError("a pack needs at least one trial")
    if len({(trial.seed, structure_key(trial.config)) for trial in trials}) > 1:
        raise ConfigError("the trials of a pack must share their seed and their structure")
    keys = [trial_key(trial, dataset.fingerprint) for trial in trials]
    if len(set(keys)) < len(keys):
        raise ConfigError("a trial stands twice in one pack")
    for trial in trials:
        dataset.check(trial.config)


class _Pack:
    """The members that still train, and the records of all."""

    def __init__(
        self,
        trials: Sequence[Trial],
        dataset: Dataset,
        folder: Path,
        device: str,
        pruner: Pruner | None,
        shard: Shard,
        width: int | None,
        save_every: int,
        until: int | None,
    ) -> None:
        self.dataset, self.folder, self.device = dataset, folder, device
        self.save_every, self.until = save_every, until
        self.pruner, self.shard, self.width = pruner, shard, width
        self.config, self.seed = trials[0].config, trials[0].seed
        first = 1 - self.config.pretraining()
        folder.mkdir(parents=True, exist_ok=True)
        keys = [trial_key(trial, dataset.fingerprint) for trial in trials]
        self.state = read_state(folder, keys, first)
        self.records = self.state.records
        if shard.first:
            remove_old(folder, self.state)
        self.members = [
            self._member(trial, record)
            for trial, record in zip(trials, self.records, strict=True)
            if record.running
        ]
        if self.state.epoch >= first and self.members:
            load_members(folder, self.state, self.members)
        self.groups: list[Group] = []
        features, questions = dataset.features(self.config), dataset.questions("train")
        self.source = BatchSource(questions, features, self.config, shard, device)
        truth = truth_of(dataset, self.config, "val")
        self.scorer = Scorer(dataset, self.source, folder, shard, truth)

    def _member(self, trial: Trial, record: Record | None = None) -> Member:
        shapes, features = self.dataset.shapes(self.config), self.dataset.features(self.config)
        return Member(trial, shapes, features, self.device, record)

    def run_epoch(self) -> Iterator[Event]:
        """Train every running member for an epoch, commit it, then yield what happened."""
        epoch = self.state.epoch + 1
        ran = [(place, record) for place, record in enumerate(self.records) if record.running]
        self._make_groups()
        speed = self._train(epoch)
        self.scorer.check_losses(self.groups, epoch)
        self._agree()
        correct: Correct = {}
        if epoch >= 1:
            correct = self.scorer.validate(self.groups, epoch, speed)
            self._agree()
        if epoch == self.config.optimiser.epochs:
            self.scorer.test(self.groups)
        elif self.pruner is not None and epoch >= 1:
            self.pruner.prune(self.records, epoch, correct)
        self._agree()
        self._commit(epoch)
        for place, record in ran:
            if epoch >= 1 and len(record.history) == epoch:
                yield record.epoch_result(place, epoch)
            if not record.running:
                yield record.trial_result(place, self.folder)

    def _make_groups(self) -> None:
        """Put the running members together, anew when some have left."""
        if {*self.members} == {member for group in self.groups for member in group.members}:
            return
        drawing = (m.config for m in self.members if m.config.needs().negatives != "none")
        self.source.config = next(drawing, self.members[0].config)
        self.groups = []  # before others are made: theirs is the same memory
        self.groups = make_groups(self.members, self.width or self._measured_width())
        for group in self.groups:
            for member in group.members:
                member.record.fused = max(member.record.fused, len(group.members))

    def _measured_width(self) -> int:
        """Return how many members to fuse; what was measured once holds for the whole pack."""
        if self.state.width is None:
            alike = max(make_stacks(self.members, len(self.members)), key=len)
            self.state.width = measured_width(
                lambda width: [self._member(member.trial) for member in alike[:width]],
                len(alike),
                lambda: next(self.source.training(self.seed, 1)),
                self.device,
            )
        return self.state.width

    def _train(self, epoch: int) -> float:
        """Run the epoch's steps; return the questions a second of each member.

        That is the wall clock of the steps, reading included, shared evenly among the members.
        """
        for member in self.members:
            member.start_epoch(epoch)
        began = time.perf_counter()
        for step, batch in enumerate(self.source.training(self.seed, epoch)):
            for group in self.groups:
                take_step(group, batch, epoch, step, self.shard)
        synchronise(self.device)
        seconds = (time.perf_counter() - began) / len(self.members)
        return len(self.source.questions) / seconds

    def _agree(self) -> None:
        """Take over worker 0's records: it alone decides who failed, was pruned, or is best."""
        for record, first in zip(self.records, self.shard.of_first(self.records), strict=True):
            vars(record).update(vars(first))

    def _commit(self, epoch: int) -> None:
        """Let the epoch count; where it is saved, a resumed pack continues after it."""
        self.state.epoch = epoch
        running = [member for member in self.members if member.record.running]
        due = epoch % self.save_every == 0 or epoch == self.until
        if (due or len(running) < len(self.members)) and self.shard.first:
            write_state(self.folder, self.state, self.members)
        self.members = running
