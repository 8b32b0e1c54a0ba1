"""The answer's loss, and the match task: does a sound belong to a frame?"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.matmuls import Linear


def match_head(width: int) -> nn.Sequential:
    """The MLP of Eq. 7, 1024-512-256-128-2 at the paper's width."""
    sizes = (2 * width, width, max(width // 2, 2), max(width // 4, 2))
    layers: list[nn.Module] = []
    for size_in, size_out in pairwise(sizes):
        layers += [Linear(size_in, size_out), nn.ReLU()]
    return nn.Sequential(*layers, Linear(sizes[-1], 2))


def match_loss(matched: Tensor, mismatched: Tensor | None) -> Tensor:
    """Return L_s, the cross-entropy of telling matched pairs from mismatched ones (Eq. 6).

    Args:
        matched: [..., 2] logits of pairs from the same segment (label 1).
        mismatched: [..., 2] logits of pairs with a frame of another video (label 0), or None
            when the batch holds a single video.

    Returns:
        [], the mean over all pairs.
    """
    logits = [matched.flatten(0, -2)]
    labels = [torch.ones(len(logits[0]), dtype=torch.long, device=matched.device)]
    if mismatched is not None:
        logits.append(mismatched.flatten(0, -2))
        labels.append(torch.zeros(len(logits[1]), dtype=torch.long, device=matched.device))
    return functional.cross_entropy(torch.cat(logits), torch.cat(labels))


def answer_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Return L_qa: [] mean cross-entropy of logits [B, answers] and answers [B] int64."""
    return functional.cross_entropy(logits, answers)
