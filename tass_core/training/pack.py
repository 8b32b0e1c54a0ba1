"""Train a pack: trials that share seed and structure, epoch by epoch in one process.

Every batch is read once for all members. A member's numbers depend on its own trial alone,
whichever members it has beside it and wherever training was interrupted: to the bit where
members train one after another, up to rounding where they are fused.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed

from tass_core.batches.source import BatchSource, Shard
from tass_core.checkpoints import load_weights, save_checkpoint
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import ConfigError
from tass_core.evaluation.answering import Evaluation, evaluate_all
from tass_core.evaluation.grounding import grounding
from tass_core.evaluation.predictions import write_predictions
from tass_core.systems.protocol import Batch
from tass_core.systems.tass.network import parameter_counts
from tass_core.training.bracket import Halving
from tass_core.training.groups import Crew, make_crews, make_stacks
from tass_core.training.member import Member
from tass_core.training.results import EpochResult, TrialResult
from tass_core.training.resume import PackState, Record, load_members, read_state, write_state
from tass_core.training.width import Fuse, check_fuse, measured_width
from tass_core.trial import Trial, structure_key, trial_key

Event = EpochResult | TrialResult


def train_pack(
    trials: Sequence[Trial],
    dataset: Dataset,
    *,
    folder: Path,
    device: str = "cpu",
    halving: Halving | None = None,
    shard: Shard | None = None,
    fuse: Fuse = "off",
    stop: Callable[[], bool] | None = None,
    replay: bool = False,
) -> Iterator[Event]:
    """Train trials side by side and yield one result for each member and epoch.

    Calling it again with the same trials and folder continues after the last finished epoch
    with the same numbers; a finished pack yields nothing unless ``replay`` is set.

    Args:
        trials: they share the seed and ``structure_key``.
        dataset: what to train on.
        folder: the pack's own folder, see ``tass_core.training.resume``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        halving: drop the worse members at rungs; None trains all to the end.
        shard: this worker's place among several, which ``torch.distributed`` connects.
        fuse: how many members make their steps as one, see ``tass_core.training.groups``;
            ``auto`` measures it, ``off`` keeps every member's bits.
        stop: asked after every epoch; when it says yes, training ends cleanly there.
        replay: yield the results of earlier calls again, first.

    Raises:
        ConfigError: the trials cannot share a pack, or ``fuse`` is impossible.
        DataError: the dataset lacks what a config needs.
        CheckpointError: the folder holds another pack or is damaged.
    """
    _check_pack(trials, dataset)
    shard = shard or Shard()
    check_fuse(fuse, shard.world_size)
    pack = _Pack(trials, dataset, folder, device, halving, shard, fuse)
    if replay:
        yield from pack.history()
    while not pack.done():
        yield from pack.run_epoch()
        if stop is not None and pack.agree(stop()):
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
    """The members in memory and their state on disk."""

    def __init__(
        self,
        trials: Sequence[Trial],
        dataset: Dataset,
        folder: Path,
        device: str,
        halving: Halving | None,
        shard: Shard,
        fuse: Fuse,
    ) -> None:
        self.trials, self.dataset, self.folder = trials, dataset, folder
        self.device, self.halving, self.shard, self.fuse = device, halving, shard, fuse
        self.config = trials[0].config
        self.features = dataset.features(self.config)
        self.questions = dataset.questions("train")
        first = 1
        if self.config.model.init_from == "match":
            first = 1 - self.config.model.pretrain_epochs
        folder.mkdir(parents=True, exist_ok=True)
        keys = [trial_key(trial, dataset.fingerprint) for trial in trials]
        self.state = read_state(folder, keys, first)
        self.members: list[Member | None] = [
            self._member(trial) if record.status == "running" else None
            for trial, record in zip(trials, self.state.records, strict=True)
        ]
        if self.state.epoch >= first and not self.done():
            load_members(folder, self.state, self.members)
        self.crews: list[Crew] = []
        self._source: BatchSource | None = None

    def _member(self, trial: Trial) -> Member:
        shapes = self.dataset.shapes(self.config)
        return Member(trial, shapes, self.features, self.device)

    def done(self) -> bool:
        """Whether no member is left to train."""
        return all(record.status != "running" for record in self.state.records)

    def running(self) -> list[tuple[int, Member, Record]]:
        """Return (index, member, record) of those still in training."""
        return [
            (index, member, record)
            for index, (member, record) in enumerate(
                zip(self.members, self.state.records, strict=True)
            )
            if member is not None and record.status == "running"
        ]

    def agree(self, wanted: bool) -> bool:
        """Return worker 0's answer on every worker."""
        if self.shard.world_size == 1:
            return wanted
        answers = [wanted]
        torch.distributed.broadcast_object_list(answers, src=0)
        return bool(answers[0])

    def run_epoch(self) -> Iterator[Event]:
        """Train every running member for an epoch, save, then yield what happened."""
        epoch = self.state.epoch + 1
        ran = self.running()
        self._make_crews([member for _, member, _ in ran])
        seconds = self._train(epoch)
        self._close_epoch(epoch, seconds)
        self._drop(epoch)
        if epoch == self.config.optimiser.epochs:
            self._finish()
        self.state = PackState(epoch, self.state.records)
        if self.shard.rank == 0:
            write_state(self.folder, self.state, self.members)
        for index, _, record in ran:
            if epoch >= 1 and len(record.history) == epoch:
                yield self._epoch_result(index, record, epoch)
            if record.status != "running":
                self.members[index] = None
                yield self._trial_result(index, record)

    def _make_crews(self, members: Sequence[Member]) -> None:
        """Put the running members together, anew when some have left."""
        if {id(m) for m in members} == {id(m) for crew in self.crews for m in crew.members}:
            return
        self.crews = []  # before others are made: theirs is the same memory
        width = self._width(members)
        self.crews = make_crews(members, width, self.shard.world_size)
        for crew in self.crews:
            for record in map(self._record, crew.members):
                record.fused = max(record.fused, len(crew.members))

    def _width(self, members: Sequence[Member]) -> int:
        if self.fuse != "auto":
            return 1 if self.fuse == "off" else self.fuse
        if self.shard.world_size > 1:
            return 1
        largest = max(make_stacks(members, len(members)), key=len)
        alike = [self.trials[self.members.index(member)] for member in largest]
        return measured_width(
            lambda width: [self._member(trial) for trial in alike[:width]],
            len(alike),
            lambda: next(self._batches(1)),
            self.device,
        )

    def history(self) -> Iterator[Event]:
        """Yield every result that earlier calls yielded, in a member's order."""
        for index, record in enumerate(self.state.records):
            for epoch in range(1, len(record.history) + 1):
                yield self._epoch_result(index, record, epoch)
            if record.status != "running":
                yield self._trial_result(index, record)

    def _batches(self, epoch: int) -> Iterator[Batch]:
        members = [member for _, member, _ in self.running()]
        match = any(member.uses_match for member in members)
        reader = next((member for member in members if member.uses_match), members[0])
        if self._source is None or self._source.config is not reader.config:
            self._source = BatchSource(
                self.questions, self.features, reader.config, self.shard, self.device
            )
        return self._source.training(self.trials[0].seed, epoch, match=match)

    def _train(self, epoch: int) -> dict[Member, float]:
        """Run the epoch's steps; return the seconds that each member's steps took."""
        seconds: dict[Member, float] = {}
        for crew in self.crews:
            for member in crew.members:
                member.start_epoch(epoch)
                seconds[member] = 0.0
        began = time.perf_counter()
        for step, batch in enumerate(self._batches(epoch)):
            for crew in self.crews:
                start = time.perf_counter()
                crew.step(batch, epoch, step)
                spent = (time.perf_counter() - start) / len(crew.members)
                for member in crew.members:
                    seconds[member] += spent
        if self.device == "cpu":
            return seconds
        # A step on CUDA returns before it is done: only the whole is known.
        torch.cuda.synchronize(self.device)
        return dict.fromkeys(seconds, (time.perf_counter() - began) / len(seconds))

    def _close_epoch(self, epoch: int, seconds: Mapping[Member, float]) -> None:
        """Measure the members after an epoch, remember it, and keep their best weights."""
        for crew in self.crews:
            losses = self._finite_losses(crew, epoch)
            if epoch < 1 or not losses:
                continue
            for member, evaluation in self._evaluate(crew, "val"):
                if member in losses:
                    metrics = {f"train/{name}": value for name, value in losses[member].items()}
                    metrics["questions_per_s"] = len(self.questions) / max(seconds[member], 1e-9)
                    self._note_epoch(epoch, member, metrics, evaluation)

    def _finite_losses(self, crew: Crew, epoch: int) -> dict[Member, dict[str, float]]:
        """Return the epoch's mean losses; a member with one that is not finite has failed."""
        found: dict[Member, dict[str, float]] = {}
        for member in crew.members:
            losses, broken = member.epoch_losses(len(self.questions))
            if broken is None:
                found[member] = losses
            else:
                reason = f"the training loss was not finite at epoch {epoch}, step {broken}"
                _fail(self._record(member), reason)
        return found

    def _evaluate(self, crew: Crew, split: str) -> Iterator[tuple[Member, Evaluation]]:
        config = crew.members[0].config
        found = evaluate_all(crew.forward, self.dataset, config, split, device=self.device)
        return zip(crew.members, found, strict=True)

    def _record(self, member: Member) -> Record:
        return self.state.records[self.members.index(member)]

    def _note_epoch(
        self, epoch: int, member: Member, metrics: dict[str, float], evaluation: Evaluation
    ) -> None:
        record = self._record(member)
        if not math.isfinite(evaluation.metrics["loss"]):
            _fail(record, f"the validation loss was not finite at epoch {epoch}")
            return
        metrics |= {f"val/{name}": value for name, value in evaluation.metrics.items()}
        metrics["learning_rate"] = member.optimiser.param_groups[0]["lr"]
        metrics["finished_at"] = time.time()
        record.history.append(metrics)
        if metrics["val/all"] >= record.best_accuracy:
            record.best_epoch, record.best_accuracy = epoch, metrics["val/all"]
            if self.shard.rank == 0:
                trial = self.trials[self.members.index(member)]
                save_checkpoint(self._weights(record), member.model, trial, self.dataset, metrics)

    def _drop(self, epoch: int) -> None:
        """Prune the worse members when the epoch is a rung."""
        if self.halving is None or epoch < 1 or not self.halving.is_rung(epoch):
            return
        if epoch >= self.config.optimiser.epochs:
            return
        ranked = sorted(self.running(), key=lambda entry: (-entry[2].best_accuracy, entry[2].key))
        survivors = self.halving.survivors(len(ranked))
        for place, (_, _, record) in enumerate(ranked[survivors:], start=survivors + 1):
            record.status = "pruned"
            record.reason = f"place {place} of {len(ranked)} at the rung of epoch {epoch}"
            record.final = self._at_best(record)
            record.finished_at = time.time()

    def _finish(self) -> None:
        """Score the members' best epochs on the test split."""
        for crew in self.crews:
            running = [m for m in crew.members if self._record(m).status == "running"]
            self._wait()
            for member in running:
                load_weights(member.model, str(self._weights(self._record(member))))
            for member, evaluation in self._evaluate(crew, "test") if running else ():
                if member in running:
                    self._note_end(member, evaluation)
            self._wait()

    def _note_end(self, member: Member, evaluation: Evaluation) -> None:
        record, trial = self._record(member), self.trials[self.members.index(member)]
        final = self._at_best(record)
        final |= {f"test/{name}": value for name, value in evaluation.metrics.items()}
        final |= grounding(evaluation, self.dataset, trial.config)
        final["params_m"] = parameter_counts(member.model)["total"] / 1e6
        speeds = [epoch["questions_per_s"] for epoch in record.history]
        final["questions_per_s"] = sum(speeds) / len(speeds)
        record.final, record.status, record.finished_at = final, "finished", time.time()
        if self.shard.rank == 0:
            best = self._weights(record)
            save_checkpoint(best, member.model, trial, self.dataset, final)
            write_predictions(self._predictions(record), evaluation, self.dataset.answers)

    def _wait(self) -> None:
        """Let every worker see what worker 0 wrote before."""
        if self.shard.world_size > 1:
            torch.distributed.barrier()

    def _at_best(self, record: Record) -> dict[str, float]:
        best = record.history[record.best_epoch - 1]
        kept = {name: value for name, value in best.items() if name.startswith("val/")}
        return kept | {"best_epoch": float(record.best_epoch)}

    def _weights(self, record: Record) -> Path:
        return self.folder / "trials" / record.key / "best"

    def _predictions(self, record: Record) -> Path:
        return self.folder / "trials" / record.key / "predictions.parquet"

    def _epoch_result(self, index: int, record: Record, epoch: int) -> EpochResult:
        metrics = dict(record.history[epoch - 1])
        finished_at = metrics.pop("finished_at")
        return EpochResult(index, record.key, epoch, metrics, finished_at)

    def _trial_result(self, index: int, record: Record) -> TrialResult:
        weights, predictions = self._weights(record), self._predictions(record)
        return TrialResult(
            trial=index,
            key=record.key,
            status=record.status,
            reason=record.reason,
            best_epoch=record.best_epoch,
            metrics=record.final,
            weights=weights if weights.exists() else None,
            predictions=predictions if predictions.exists() else None,
            fused=record.fused,
            finished_at=record.finished_at,
        )


def _fail(record: Record, reason: str) -> None:
    record.status, record.reason, record.finished_at = "failed", reason, time.time()
