"""Attention over regions and segments: its entropy, and scores against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.systems.protocol import Output

if TYPE_CHECKING:
    from tass_core.evaluation.answering import Evaluation


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


def entropy(weights: Tensor) -> Tensor:
    """Return the entropy in nats of distributions [..., N]: [...]."""
    tiny = torch.finfo(weights.dtype).tiny
    return -(weights * weights.clamp_min(tiny).log()).sum(dim=-1)
