"""The answer's loss, and the match task: does a sound belong to a frame?"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.blocks.joined import JoinedLinear
from tass_core.systems.protocol import Batch, Output, Term


class MatchHead(nn.Sequential):
    """The MLP of Eq. 7 on [sound; frame], 1024-512-256-128-2 at the paper's width."""

    def __init__(self, width: int) -> None:
        sizes = (width, max(width // 2, 2), max(width // 4, 2))
        layers: list[nn.Module] = [JoinedLinear(width, width), nn.ReLU()]
        for size_in, size_out in pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), nn.ReLU()]
        super().__init__(*layers, nn.Linear(sizes[-1], 2))

    def hear(self, audio: Tensor) -> Tensor:
        """Return the sound's part of the first layer: [..., D], of audio [..., D]."""
        return cast(JoinedLinear, self[0]).one(audio)

    def forward(self, heard: Tensor, visual: Tensor) -> Tensor:  # type: ignore[override]
        """Return logits [..., 2] of what ``hear`` returned [..., D] and frames [..., D]."""
        first, *others = self
        values = heard + cast(JoinedLinear, first).two(visual)
        for layer in others:
            values = layer(values)
        return values


def match_loss(matched: Tensor, mismatched: Tensor | None) -> Tensor:
    """Return the cross-entropy of telling matched pairs from mismatched ones, their sum [].

    Args:
        matched: [..., 2] logits of pairs from the same segment (label 1).
        mismatched: [..., 2] logits of pairs with a frame of another video (label 0), or None
            when the batch holds a single video.
    """
    logits = [matched.flatten(0, -2)]
    labels = [torch.ones(len(logits[0]), dtype=torch.long, device=matched.device)]
    if mismatched is not None:
        logits.append(mismatched.flatten(0, -2))
        labels.append(torch.zeros(len(logits[1]), dtype=torch.long, device=matched.device))
    return functional.cross_entropy(torch.cat(logits), torch.cat(labels), reduction="sum")


def answer_term(output: Output, batch: Batch) -> Term:
    """Return the cross-entropy of the answers."""
    answers = batch.answer[batch.rows]
    total = functional.cross_entropy(output.logits, answers, reduction="sum")
    return Term(total, len(batch.answer))


def match_term(output: Output, batch: Batch, weight: float) -> Term:
    """Return ``match_loss`` of the logits that ``output.extra`` holds.

    ``matched`` [B', T, 2] are those of each question's own frames, ``mismatched`` [M, 2] those
    of every pair of ``batch.negatives``: one frame of another video for each of the former.
    """
    matched, mismatched = output.extra["matched"], output.extra.get("mismatched")
    pairs = len(batch.answer) * matched.shape[1] * (1 if mismatched is None else 2)
    return Term(match_loss(matched, mismatched), pairs, weight)
