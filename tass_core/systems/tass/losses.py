"""The losses: L_qa (section 3.5), L_s (Eq. 6) and L_cms (Eq. 10-12, 17)."""

from __future__ import annotations

import torch
from torch import Tensor

from tass_core.systems.blocks.match import answer_term, match_term
from tass_core.systems.protocol import Batch, Output, Stage, Term
from tass_core.systems.tass.config import TassLoss


def terms(output: Output, batch: Batch, loss: TassLoss, stage: Stage) -> dict[str, Term]:
    """Return the terms of L = L_qa + L_cms + λ L_s (section 4.1); stage 1 has the last alone."""
    found: dict[str, Term] = {}
    if stage == "train":
        found["qa"] = answer_term(output, batch)
        if output.temporal and loss.cms != "none":
            found["cms"] = Term(synchrony(output, loss).sum(), len(batch.answer))
    if "matched" in output.extra:
        found["s"] = match_term(output, batch, loss.lambda_s)
    return found


def synchrony(output: Output, loss: TassLoss) -> Tensor:
    """Return L_cms of every question (Eq. 17): [B']."""
    exact = torch.promote_types(output.logits.dtype, torch.float32)
    audio, visual = (output.temporal[name].to(exact) for name in ("audio", "visual"))
    if loss.cms == "legacy":
        return legacy_synchrony(audio, visual)
    if loss.renormalise:
        audio, visual = renormalise(audio), renormalise(visual)
    return cross_modal_synchrony(audio, visual)


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
