"""How members are judged: their losses, the validation after an epoch, the test at the end."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tass_core.batches.source import BatchSource
from tass_core.checkpoints import load_weights, save_checkpoint
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.records import Truth
from tass_core.evaluation.accuracy import metric
from tass_core.evaluation.answering import Evaluation, evaluate_all
from tass_core.evaluation.grounding import grounding, grounding_and_chance
from tass_core.evaluation.predictions import Predictions, join, write_predictions
from tass_core.systems import parameter_counts
from tass_core.training.groups import Group
from tass_core.training.member import Member
from tass_core.training.pruning import Correct
from tass_core.workers import Shard


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores the running members of groups, notes it in their records, and keeps files."""

    dataset: Dataset
    source: BatchSource
    """Of the training split."""
    folder: Path
    """The pack's."""
    shard: Shard
    truth: Truth | None
    """Of the validation split."""

    def check_losses(self, groups: Sequence[Group], epoch: int) -> None:
        """End members with a training loss that was not finite."""
        for member in (member for group in groups for member in group.members):
            _, broken = member.epoch_losses(len(self.source.questions))
            if broken is not None:
                reason = f"the training loss was not finite at epoch {epoch}, step {broken}"
                member.record.end("failed", reason)

    def validate(self, groups: Sequence[Group], epoch: int, speed: float) -> Correct:
        """Measure the members on the validation split, and keep the weights of the best epoch.

        Returns:
            Trial key -> which questions were answered right.

        Args:
            groups: all that trained.
            epoch: 1 for the first.
            speed: questions a second of each member.
        """
        correct: dict[str, npt.NDArray[np.bool_]] = {}
        for member, evaluation in self._evaluate(groups, "val"):
            correct[member.record.key] = evaluation.predicted == evaluation.questions.answer
            if not math.isfinite(evaluation.metrics["loss"]):
                reason = f"the validation loss was not finite at epoch {epoch}"
                member.record.end("failed", reason)
                continue
            losses, _ = member.epoch_losses(len(self.source.questions))
            metrics = {f"train/{name}": value for name, value in losses.items()}
            metrics["questions_per_s"] = speed
            metrics |= {f"val/{name}": value for name, value in evaluation.metrics.items()}
            scores = grounding(evaluation, self.truth)
            metrics |= {f"val/{name}": value for name, value in scores.items()}
            metrics["learning_rate"] = member.optimiser.param_groups[0]["lr"]
            if member.record.note(metrics) and self.shard.first:
                weights = member.record.weights(self.folder)
                save_checkpoint(weights, member.model, member.trial, self.dataset, metrics)
        return correct

    def test(self, groups: Sequence[Group]) -> None:
        """Score the members' best epochs on the test splits; their training ends with it."""
        for member in (member for group in groups for member in group.members):
            if member.record.running:
                self._load_best(member)
        measured: dict[str, dict[str, float]] = defaultdict(dict)
        answers: dict[str, list[Predictions]] = defaultdict(list)
        for split in self.dataset.tests:
            truth = truth_of(self.dataset, self.source.config, split)
            for member, evaluation in self._evaluate(groups, split):
                key = member.record.key
                measured[key] |= _test_metrics(split, evaluation, truth)
                answers[key].append(evaluation.predictions(split, self.dataset))
        for member in (member for group in groups for member in group.members):
            record = member.record
            if not record.running:
                continue
            final = measured[record.key]
            final["params_m"] = parameter_counts(member.model)["total"] / 1e6
            speeds = [epoch["questions_per_s"] for epoch in record.history]
            final["questions_per_s"] = sum(speeds) / len(speeds)
            record.end("finished", final=final)
            if self.shard.first:
                write_predictions(record.predictions(self.folder), join(answers[record.key]))

    def _load_best(self, member: Member) -> None:
        """Give a member the weights of its best epoch, which worker 0 wrote and reads for all."""
        if self.shard.first:
            load_weights(member.model, str(member.record.weights(self.folder)))
        member.model.load_state_dict(self.shard.of_first(member.model.state_dict()))

    def _evaluate(self, groups: Sequence[Group], split: str) -> Iterator[tuple[Member, Evaluation]]:
        """Yield every running member's answers to a split."""
        source = self.source.of(self.dataset.questions(split))
        for group in groups:
            if any(member.record.running for member in group.members):
                found = evaluate_all(group.outputs, source)
                for member, evaluation in zip(group.members, found, strict=True):
                    if member.record.running:
                        yield member, evaluation


def _test_metrics(split: str, evaluation: Evaluation, truth: Truth | None) -> dict[str, float]:
    """Return what a trial has of a test split; scores of ``test`` itself go by their own names."""
    scores = grounding_and_chance(evaluation, truth)
    if split != "test":
        scores = {metric(split, name): value for name, value in scores.items()}
    return {metric(split, name): value for name, value in evaluation.metrics.items()} | scores


def truth_of(dataset: Dataset, config: TrialConfig, split: str) -> Truth | None:
    """Return a split's truth at the segments and regions of a config's network."""
    shapes = dataset.shapes(config)
    return dataset.truth(split, segments=shapes.segments, regions=shapes.regions)
