"""Accuracy by question type, weighted averages, and grounding scored against the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.nn import functional

from tass_core.batches.source import BatchSource
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.records import Questions
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.systems.protocol import Batch, Output
from tass_core.systems.tass.network import TASS


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's answers on one split."""

    split: str
    questions: Questions
    predicted: npt.NDArray[np.int64]
    """[Q] answer indices, in the split's order."""
    metrics: dict[str, float]
    """Accuracies in percent by type and average, named as in the paper's tables, ``loss``,
    and the attention's entropies in nats."""
    spatial: npt.NDArray[np.int64] | None
    """[Q, T] the region with the largest spatial weight, or None without TSG+."""
    temporal: npt.NDArray[np.float32] | None
    """[Q, T] weight of both modalities on every segment, summing to 1, or None without JTG."""


def evaluate(
    model: TASS, dataset: Dataset, config: TrialConfig, split: str, *, device: str = "cpu"
) -> Evaluation:
    """Answer every question of a split.

    Args:
        model: the network, on ``device``.
        dataset: where the questions and features come from.
        config: the network's config.
        split: ``train``, ``val`` or ``test``.
        device: where to compute.
    """
    return evaluate_all(lambda batch: [model(batch)], dataset, config, split, device=device)[0]


@torch.no_grad()
def evaluate_all(
    forward: Callable[[Batch], Sequence[Output]],
    dataset: Dataset,
    config: TrialConfig,
    split: str,
    *,
    device: str = "cpu",
) -> list[Evaluation]:
    """Answer every question of a split with several networks that read each batch once.

    Args:
        forward: returns the output of every network for a batch on ``device``.
        dataset: where the questions and features come from.
        config: of any of the networks; they share their structure.
        split: ``train``, ``val`` or ``test``.
        device: where to compute.
    """
    questions = dataset.questions(split)
    source = BatchSource(questions, dataset.features(config), config, device=device)
    order: list[npt.NDArray[np.int64]] = []
    parts: list[list[dict[str, Tensor]]] = []
    for rows, batch in source.evaluation():
        order.append(rows)
        parts.append([_answers(output, batch.answer) for output in forward(batch)])
    back = np.argsort(np.concatenate(order))
    return [_evaluation(split, questions, one, back) for one in zip(*parts, strict=True)]


def _evaluation(
    split: str,
    questions: Questions,
    parts: Sequence[dict[str, Tensor]],
    back: npt.NDArray[np.int64],
) -> Evaluation:
    """Join what was kept of the batches, and bring it into the split's order by ``back``."""
    columns = {
        name: torch.cat([part[name] for part in parts]).cpu().numpy()[back] for name in parts[0]
    }
    predicted = columns["predicted"]
    metrics = accuracies(questions, predicted == questions.answer)
    for name in ("loss", "spatial_entropy", "temporal_entropy"):
        if name in columns:
            metrics[name] = float(columns[name].mean(dtype=np.float64))
    return Evaluation(
        split, questions, predicted, metrics, columns.get("spatial"), columns.get("temporal")
    )


def _answers(output: Output, answer: Tensor) -> dict[str, Tensor]:
    """Return what is kept of a batch's output, one row a question."""
    kept = {
        "predicted": output.logits.argmax(dim=-1),
        "loss": functional.cross_entropy(output.logits, answer, reduction="none"),
    }
    if output.spatial_weights is not None:
        kept["spatial"] = output.spatial_weights.argmax(dim=-1)
        kept["spatial_entropy"] = entropy(output.spatial_weights).mean(dim=-1)
    weights = temporal_weights(output)
    if weights is not None:
        kept["temporal"] = weights
        kept["temporal_entropy"] = entropy(weights)
    return kept


def accuracies(questions: Questions, correct: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return accuracy in percent for each type present and each average over questions."""
    by_type = {name: questions.type == index for index, name in enumerate(QUESTION_TYPES)}
    groups = by_type | {
        name: np.logical_or.reduce([by_type[member] for member in members])
        for name, members in AVERAGES.items()
    }
    return {
        name: 100.0 * float(correct[mask].mean()) for name, mask in groups.items() if mask.any()
    }


def temporal_weights(output: Output) -> Tensor | None:
    """Return the weight of both modalities on every segment: [B, T], rows summing to 1."""
    if output.visual_weights is None or output.audio_weights is None:
        return None
    both = output.visual_weights + output.audio_weights
    return both / both.sum(dim=-1, keepdim=True)


def grounding(evaluation: Evaluation, dataset: Dataset, config: TrialConfig) -> dict[str, float]:
    """Score attention against the truth, in percent; only procedural datasets have one.

    ``ground/spatial`` is the pointing game: how often the region with the largest weight is
    one of the question's true regions, over the true segments with such a region.
    ``ground/temporal`` is the share of temporal weight on the true segments of the questions
    that are not about the whole video. ``_uniform`` is what even weights would give.
    """
    shapes = dataset.shapes(config)
    truth = dataset.truth(evaluation.split, segments=shapes.segments, regions=shapes.regions)
    if truth is None:
        return {}
    scores: dict[str, float] = {}
    if evaluation.spatial is not None:
        regions = truth.regions
        scored = truth.segments & regions.any(axis=-1)
        hits = np.take_along_axis(regions, evaluation.spatial[..., None], axis=-1)[..., 0]
        scores["ground/spatial"] = 100.0 * float(hits[scored].mean())
        scores["ground/spatial_uniform"] = 100.0 * float(regions.mean(axis=-1)[scored].mean())
    if evaluation.temporal is not None:
        share = truth.segments.mean(axis=-1)
        scored = (share > 0) & (share < 1)
        weight = (evaluation.temporal * truth.segments).sum(axis=-1)
        scores["ground/temporal"] = 100.0 * float(weight[scored].mean())
        scores["ground/temporal_uniform"] = 100.0 * float(share[scored].mean())
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def write_predictions(path: Path, evaluation: Evaluation, answers: tuple[str, ...]) -> None:
    """Write one row a question to a Parquet file, by temporary name and rename."""
    questions, predicted = evaluation.questions, evaluation.predicted
    table = pa.table(
        {
            "question_id": questions.question_id,
            "type": [QUESTION_TYPES[index] for index in questions.type],
            "answer": [answers[index] for index in questions.answer],
            "predicted": [answers[index] for index in predicted],
            "correct": predicted == questions.answer,
            "split": [evaluation.split] * len(questions),
        }
    )
    temporary = path.with_name(path.name + ".tmp")
    pq.write_table(table, temporary)
    temporary.replace(path)


def entropy(weights: Tensor) -> Tensor:
    """Return the entropy in nats of distributions [..., N]: [...]."""
    tiny = torch.finfo(weights.dtype).tiny
    return -(weights * weights.clamp_min(tiny).log()).sum(dim=-1)
