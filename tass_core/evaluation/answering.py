"""The answers of one or several networks to the questions of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.batches.source import BatchSource
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.records import Questions
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.evaluation.accuracy import accuracies
from tass_core.evaluation.grounding import (
    asynchrony,
    audio_focus,
    audio_share,
    entropy,
    sound_and_picture,
    temporal_weights,
)
from tass_core.evaluation.predictions import Predictions
from tass_core.systems.protocol import Batch, Output

Columns = dict[str, npt.NDArray[Any]]
"""What is kept of a network's outputs: by name, one row a question."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's answers on one split."""

    questions: Questions
    predicted: npt.NDArray[np.int64]
    """[Q] answer indices, in the split's order."""
    metrics: dict[str, float]
    """Accuracies in percent by type and average, named as in the paper's tables, ``loss``,
    the attention's entropies in nats, and ``asynchrony`` and ``audio_focus`` of a network that
    attends to the segments of sound and of picture."""
    spatial: npt.NDArray[np.int64] | None
    """[Q, T] the region with the largest spatial weight, or None without any."""
    temporal: npt.NDArray[np.float32] | None
    """[Q, T] weight of all modalities on every segment, summing to 1, or None without any."""

    def predictions(self, split: str, dataset: Dataset) -> Predictions:
        """Return the answers in words, and the video of every question by its id."""
        names, asked = np.array(dataset.answers), self.questions
        return Predictions(
            question_id=asked.question_id,
            type=np.array(QUESTION_TYPES)[asked.type],
            answer=names[asked.answer],
            predicted=names[self.predicted],
            correct=self.predicted == asked.answer,
            split=split,
            video=np.array(dataset.video_ids)[asked.video],
        )


def evaluate(
    model: nn.Module, dataset: Dataset, config: TrialConfig, split: str, *, device: str = "cpu"
) -> Evaluation:
    """Answer every question of a split.

    Args:
        model: the network, on ``device``.
        dataset: where the questions and features come from.
        config: the network's config.
        split: ``train``, ``val`` or ``test``.
        device: where to compute.
    """
    source = _source(dataset, config, split, device)
    return evaluate_all(lambda batch: [model(batch)], source)[0]


@torch.no_grad()
def shortfalls(
    model: nn.Module,
    dataset: Dataset,
    config: TrialConfig,
    split: str,
    answers: npt.NDArray[np.int64],
    *,
    device: str = "cpu",
) -> npt.NDArray[np.float32]:
    """Return how far the logits of given answers are below the largest.

    Args:
        model: the network, on ``device``.
        dataset: where the questions and features come from.
        config: the network's config.
        split: ``train``, ``val`` or ``test``.
        answers: [Q] answer indices, in the split's order.
        device: where to compute.

    Returns:
        [Q], 0 where the network gives that answer.
    """
    found = np.empty(len(answers), np.float32)
    for rows, batch in _source(dataset, config, split, device).evaluation():
        logits = model(batch).logits
        given = torch.from_numpy(answers[rows]).to(device)
        below = logits.amax(dim=1) - logits.gather(1, given[:, None])[:, 0]
        found[rows] = below.cpu().numpy()
    return found


def _source(dataset: Dataset, config: TrialConfig, split: str, device: str) -> BatchSource:
    return BatchSource(dataset.questions(split), dataset.features(config), config, device=device)


@torch.no_grad()
def evaluate_all(
    forward: Callable[[Batch], Sequence[Output]], source: BatchSource
) -> list[Evaluation]:
    """Answer every question of a split with several networks that read each batch once.

    Several workers share the batches out, and each gets all answers.

    Args:
        forward: returns the output of every network for a batch on the device.
        source: of the split.
    """
    order: list[npt.NDArray[np.int64]] = []
    parts: list[list[dict[str, Tensor]]] = []
    for rows, batch in source.evaluation():
        order.append(rows)
        parts.append([_answers(output, batch.answer) for output in forward(batch)])
    mine = [_joined(one) for one in zip(*parts, strict=True)]
    found = [(rows, one) for rows, one in source.shard.of_all((order, mine)) if rows]
    back = np.argsort(np.concatenate([row for rows, _ in found for row in rows]))
    networks = zip(*(one for _, one in found), strict=True)
    return [_evaluation(source.questions, shares, back) for shares in networks]


def _joined(parts: Sequence[dict[str, Tensor]]) -> Columns:
    """Return what was kept of a network's batches, one after another, on the host."""
    return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}


def _evaluation(
    questions: Questions, shares: Sequence[Columns], back: npt.NDArray[np.int64]
) -> Evaluation:
    """Join the workers' shares, and bring them into the split's order by ``back``."""
    columns = {name: np.concatenate([share[name] for share in shares])[back] for name in shares[0]}
    predicted = columns["predicted"]
    metrics = accuracies(questions, predicted == questions.answer)
    for name in ("loss", "spatial_entropy", "temporal_entropy", "asynchrony"):
        if name in columns:
            metrics[name] = float(columns[name].mean(dtype=np.float64))
    if "audio_share" in columns:
        metrics |= audio_focus(questions, columns["audio_share"])
    return Evaluation(
        questions, predicted, metrics, columns.get("spatial"), columns.get("temporal")
    )


def _answers(output: Output, answer: Tensor) -> dict[str, Tensor]:
    """Return what is kept of a batch's output, one row a question."""
    kept = {
        "predicted": output.logits.argmax(dim=-1),
        "loss": functional.cross_entropy(output.logits, answer, reduction="none"),
    }
    if output.spatial is not None:
        kept["spatial"] = output.spatial.argmax(dim=-1)
        kept["spatial_entropy"] = entropy(output.spatial).mean(dim=-1)
    weights = temporal_weights(output)
    if weights is not None:
        kept["temporal"] = weights
        kept["temporal_entropy"] = entropy(weights)
    both = sound_and_picture(output)
    if both is not None:
        kept |= {"asynchrony": asynchrony(*both), "audio_share": audio_share(*both)}
    return kept
