"""AV-Master's losses."""

from __future__ import annotations

from dataclasses import replace

from torch.nn import functional

from tass_core.systems.blocks.match import answer_term
from tass_core.systems.protocol import Batch, Output, Term

ANSWERS = ("both", "audio", "visual")
"""What answers: the fused feature, the sounds, the frames."""


def answers_term(output: Output, batch: Batch) -> Term:
    """Return the sum of the cross-entropies of all three answers."""
    terms = [
        answer_term(replace(output, logits=output.extra[f"answer/{name}"]), batch)
        for name in ANSWERS
    ]
    return Term(sum((term.total for term in terms[1:]), terms[0].total), len(batch.answer))


def contrast_term(output: Output, batch: Batch, temperature: float, weight: float) -> Term:
    """Return -log(exp(s / τ) / (exp(s / τ) + exp(n / τ))) of every question.

    s adds up the fused feature's cosines with its own sounds and frames (``cosine/own`` [B']), n
    those with another video's (``cosine/other``).
    """
    apart = output.extra["cosine/other"] - output.extra["cosine/own"]
    return Term(functional.softplus(apart / temperature).sum(), len(batch.answer), weight)
