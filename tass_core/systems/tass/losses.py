"""The losses: L_qa (section 3.5), L_s (Eq. 6) and L_cms (Eq. 10-12, 17)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cross_modal_synchrony(audio_weights: Tensor, visual_weights: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of two distributions over segments (Eq. 10-12).

    Args:
        audio_weights: [..., T], non-negative.
        visual_weights: [..., T], non-negative.

    Returns:
        [...] in nats: 0 for equal inputs, at most ln 2 for distributions. Finite and
        differentiable where a weight is zero, since P log(P / M) is taken as 0 there.
    """
    middle = 0.5 * (audio_weights + visual_weights)  # Eq. 11
    divergence = 0.5 * (_kl(audio_weights, middle) + _kl(visual_weights, middle))  # Eq. 10
    return divergence.clamp_min(0.0)


def _kl(p: Tensor, m: Tensor) -> Tensor:
    """Return D_KL(P || M) of Eq. 12 where M is at least P / 2."""
    tiny = torch.finfo(p.dtype).tiny
    return (p * (p.clamp_min(tiny) / m.clamp_min(tiny)).log()).sum(dim=-1)


def legacy_synchrony(audio_weights: Tensor, visual_weights: Tensor) -> Tensor:
    """Return what the public code computes in place of Eq. 10, to measure its effect.

    It hands probabilities to a function that expects their logarithms; what remains is
    sum(M log M) - sum(M²), which depends on the mean M alone and never on how far the two
    distributions are apart.

    Args:
        audio_weights: [..., T].
        visual_weights: [..., T].

    Returns:
        [...].
    """
    middle = 0.5 * (audio_weights + visual_weights)
    tiny = torch.finfo(middle.dtype).tiny
    return (middle * (middle.clamp_min(tiny).log() - middle)).sum(dim=-1)


def renormalise(weights: Tensor) -> Tensor:
    """Scale non-negative weights [..., T] to sum to 1, as Eq. 17's halves of one softmax."""
    return weights / weights.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


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
