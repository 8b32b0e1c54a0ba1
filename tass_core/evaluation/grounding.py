"""Attention over regions and segments: its entropy, how sound and picture share it, its truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tass_core.data.folder.records import Questions, Truth
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.systems.protocol import Output

if TYPE_CHECKING:
    from tass_core.evaluation.answering import Evaluation


def temporal_weights(output: Output) -> Tensor | None:
    """Return the weight of all modalities on every segment: [B, T], rows summing to 1."""
    if not output.temporal:
        return None
    total = torch.stack(list(output.temporal.values())).sum(dim=0)
    return total / total.sum(dim=-1, keepdim=True)


def sound_and_picture(output: Output) -> tuple[Tensor, Tensor] | None:
    """Return the weights on segments of sound and of picture, [B, T], where there are both."""
    if not {"audio", "visual"} <= output.temporal.keys():
        return None
    exact = torch.promote_types(output.logits.dtype, torch.float32)
    return output.temporal["audio"].to(exact), output.temporal["visual"].to(exact)


def asynchrony(audio: Tensor, visual: Tensor) -> Tensor:
    """Return how far apart in time the weights on sound and on picture lie, in percent: [B].

    The Jensen-Shannon divergence of both, each scaled to sum to 1, as a share of its largest
    value ln 2: 0 where they are alike, 100 where they have no segment in common.

    Args:
        audio: [B, T], non-negative.
        visual: [B, T], non-negative.
    """
    audio, visual = (weights / weights.sum(dim=-1, keepdim=True) for weights in (audio, visual))
    apart = entropy((audio + visual) / 2) - (entropy(audio) + entropy(visual)) / 2
    return 100.0 / math.log(2) * apart.clamp_min(0.0)


def audio_share(audio: Tensor, visual: Tensor) -> Tensor:
    """Return the part of all temporal weight that lies on sound, in percent: [B]."""
    heard, seen = audio.sum(dim=-1), visual.sum(dim=-1)
    return 100.0 * heard / (heard + seen)


def audio_focus(questions: Questions, share: npt.NDArray[np.float32]) -> dict[str, float]:
    """Return as ``audio_focus`` how much more a network attends to sound where sound is asked for.

    The mean ``audio_share`` of the questions on sound minus that of the questions on pictures, in
    points. Nothing where a split lacks one of the two.
    """
    heard, seen = (
        share[np.isin(questions.type, [QUESTION_TYPES.index(name) for name in AVERAGES[group]])]
        for group in ("a_avg", "v_avg")
    )
    if not (heard.size and seen.size):
        return {}
    return {"audio_focus": float(heard.mean(dtype=np.float64) - seen.mean(dtype=np.float64))}


def grounding(evaluation: Evaluation, truth: Truth | None) -> dict[str, float]:
    """Score attention against the truth, in percent; only procedural datasets have one.

    ``ground/spatial`` is the pointing game: how often the region with the largest weight is
    one of the question's true regions, over the true segments with such a region.
    ``ground/temporal`` is the share of temporal weight on the true segments of the questions
    that are not about the whole video.

    Args:
        evaluation: of a split.
        truth: ``Dataset.truth`` of the same split, at the network's segments and regions.
    """
    if truth is None:
        return {}
    scores: dict[str, float] = {}
    if evaluation.spatial is not None:
        hits = np.take_along_axis(truth.regions, evaluation.spatial[..., None], axis=-1)[..., 0]
        scores["ground/spatial"] = _percent(hits[_pointed(truth)])
    if evaluation.temporal is not None:
        weight = (evaluation.temporal * truth.segments).sum(axis=-1)
        scores["ground/temporal"] = _percent(weight[_partial(truth)])
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def grounding_and_chance(evaluation: Evaluation, truth: Truth | None) -> dict[str, float]:
    """Return the scores of ``grounding`` and, as ``..._uniform``, what even weights would give."""
    scores = grounding(evaluation, truth)
    if truth is None:
        return scores
    even = {
        "ground/spatial": truth.regions.mean(axis=-1)[_pointed(truth)],
        "ground/temporal": truth.segments.mean(axis=-1)[_partial(truth)],
    }
    return scores | {f"{name}_uniform": _percent(even[name]) for name in scores}


def _pointed(truth: Truth) -> npt.NDArray[np.bool_]:
    """Return which segments the pointing game is played in: [Q, T]."""
    return np.asarray(truth.segments & truth.regions.any(axis=-1))


def _partial(truth: Truth) -> npt.NDArray[np.bool_]:
    """Return which questions are about a part of the video: [Q]."""
    return np.asarray(truth.segments.any(axis=-1) & ~truth.segments.all(axis=-1))


def _percent(values: npt.NDArray[Any]) -> float:
    """Return the mean as a percentage; not a number where there is nothing to score."""
    return 100.0 * float(values.mean()) if values.size else float("nan")


def entropy(weights: Tensor) -> Tensor:
    """Return the entropy in nats of distributions [..., N]: [...]."""
    tiny = torch.finfo(weights.dtype).tiny
    return -(weights * weights.clamp_min(tiny).log()).sum(dim=-1)
