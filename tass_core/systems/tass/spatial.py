"""TSG+, the target-aware spatial grounding of section 3.3 (Eq. 2-5)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.blocks.joined import JoinedLinear
from tass_core.systems.blocks.question import is_padding
from tass_core.systems.blocks.regions import mean_and_attended, region_scores
from tass_core.systems.tass.config import Target

Merged = Literal["add", "mul", "max", "none"]


class WordTarget(nn.Module):
    """The target as the question's attention over its words, then two layers.

    ``word_argmax`` keeps the most attended word alone, as the public code does; its argmax
    gives the attention no gradient. ``word_soft`` keeps the weighted mean.
    """

    def __init__(self, width: int, target: Target) -> None:
        super().__init__()
        self.hard = target == "word_argmax"
        self.query = nn.Linear(width, width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, question: Tensor, words: Tensor, word_count: Tensor) -> Tensor:
        """Return f_tgt [B, D] from question [B, D], words [B, N, D] and counts [B]."""
        scores = (words @ self.query(question).unsqueeze(-1)).squeeze(-1)
        padding = is_padding(words, word_count)
        scores = (scores / math.sqrt(words.shape[-1])).masked_fill(padding, -math.inf)
        if self.hard:
            chosen = scores.argmax(dim=-1)
            target = words[torch.arange(len(words), device=words.device), chosen]
        else:
            target = (scores.softmax(dim=-1).unsqueeze(1) @ words).squeeze(1)
        result: Tensor = self.second(torch.relu(self.first(target)))
        return result


def target_aware_attention(
    visual: Tensor, audio: Tensor, target: Tensor, *, tau: float, merge: Merged
) -> Tensor:
    """Return the weights of a frame's regions (the softmax of Eq. 2).

    The three inputs are L2-normalised here, so that scores are cosines: at temperature 1 no
    s_q then falls below 0.0028 on 49 regions, which is why Table 5 has equal rows for
    τ = 0 and τ = 0.005.

    Args:
        visual: [..., P, D] region features.
        audio: [..., D] audio feature of the same segment.
        target: [..., D] feature of what the question asks about.
        tau: threshold τ of Eq. 5.
        merge: ``add``, ``mul`` or ``max`` of Table 4, or ``none`` for audio alone.

    Returns:
        [..., P], every row summing to 1.
    """
    regions = functional.normalize(visual, dim=-1)
    queries = functional.normalize(torch.stack([audio, target], dim=-2), dim=-1)
    s_a, s_q = (queries @ regions.transpose(-1, -2)).unbind(dim=-2)
    return merge_attention(s_a, s_q, tau=torch.tensor(tau, dtype=s_q.dtype), merge=merge)


def merge_attention(
    audio_scores: Tensor, target_scores: Tensor, *, tau: Tensor, merge: Merged
) -> Tensor:
    """Turn two maps of scores into one map of weights (Eq. 2-5 and Table 4).

    ``max`` uses the thresholded s_q as the other two do; the paper leaves this open. Without
    a target the audio's softmax is applied directly, the traditional audio-only grounding.

    Args:
        audio_scores: [..., P] similarity of audio and regions.
        target_scores: [..., P] similarity of target and regions; broadcasts with the former.
        tau: [] threshold τ.
        merge: how s_a and s_q meet.

    Returns:
        [..., P], every row summing to 1.
    """
    s_a = audio_scores.softmax(dim=-1)  # Eq. 3
    if merge == "none":
        return s_a.expand(torch.broadcast_shapes(s_a.shape, target_scores.shape))
    s_q = target_scores.softmax(dim=-1)  # Eq. 4
    s_q = torch.where(s_q >= tau, s_q, torch.zeros_like(s_q))  # Eq. 5
    if merge == "add":
        return (s_a + s_q).softmax(dim=-1)  # Eq. 2
    if merge == "mul":
        return (s_a * s_q).softmax(dim=-1)
    return torch.maximum(s_a, s_q).softmax(dim=-1)


class SpatialGrounding(nn.Module):
    """TSG+: attend to the sounding target in every frame and add the frame's mean.

    The projected map is read twice, by two batched products, however many questions and
    negatives look at it. No normalised copy of it is made: scores and weights are divided by
    the regions' norms instead.
    """

    tau: Tensor

    def __init__(self, width: int, *, tau: float, merge: Merged) -> None:
        super().__init__()
        # In a buffer, so that stacked members can differ in it.
        self.register_buffer("tau", torch.tensor(tau), persistent=False)
        self.merge: Merged = merge
        self.combine = JoinedLinear(width, width)

    def forward(self, maps: Tensor, audio: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let G groups of queries look at every frame; a group has one audio and K targets.

        Args:
            maps: [..., P, D] projected region features.
            audio: [..., G, D] audio features.
            target: [..., G, K, D] target features.

        Returns:
            W_g tanh f_vg [..., D], the frame's part of every f_v on it, f_vi [..., G, K, D] and
            the attention weights [..., G, K, P].
        """
        groups, slots = target.shape[-3:-1]
        queries = torch.cat([audio.unsqueeze(-2), target], dim=-2).flatten(-3, -2)
        scores, inverse_norms = region_scores(maps, functional.normalize(queries, dim=-1))
        scores = scores.unflatten(-2, (groups, 1 + slots))
        weights = merge_attention(
            scores[..., :1, :], scores[..., 1:, :], tau=self.tau, merge=self.merge
        )
        pooled = mean_and_attended(maps, weights.flatten(-3, -2), inverse_norms)
        f_vi = pooled[..., 1:, :].unflatten(-2, (groups, slots))  # Eq. 2
        return self.combine.one(torch.tanh(pooled[..., 0, :])), f_vi, weights

    def represent(self, frame: Tensor, f_vi: Tensor) -> Tensor:
        """Return f_v = FC(tanh[f_vg; f_vi]) [..., D] from the frame's part and f_vi [..., D]."""
        return frame + self.combine.two(torch.tanh(f_vi))
