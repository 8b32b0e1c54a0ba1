"""What systems that learn from the answers alone say to the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tass_core.systems.protocol import ArrayName, Batch, Needs, Output, Stage, Term


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """The cross-entropy of the answers, without a choice."""


def answer_losses(
    output: Output, batch: Batch, _model: object, _loss: object, _stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.blocks.match import answer_term

    return {"qa": answer_term(output, batch)}


def reads(encoder: str, *, visual: bool, clip: ArrayName) -> Needs:
    """Return the needs of a system that reads a question as ``clip`` has it, or as tokens."""
    text: ArrayName = clip if encoder == "clip" else "tokens"
    return Needs(encoder, frozenset({text, *(("visual",) if visual else ())}))
