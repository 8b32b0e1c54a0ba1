"""What systems that learn from the answers alone say to the platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tass_core.errors import ConfigError
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


def reads(encoder: str, *clip: ArrayName, visual: bool = True) -> Needs:
    """Return the needs of a system that reads a question as ``clip`` has it, or as tokens."""
    text: tuple[ArrayName, ...] = clip if encoder == "clip" else ("tokens",)
    return Needs(encoder, frozenset({*text, *(("visual",) if visual else ())}))


def require_heads(width: int, heads: int) -> None:
    """Refuse a width that the heads cannot share.

    Raises:
        ConfigError: it is no multiple of them.
    """
    if width % heads:
        raise ConfigError(
            f"model.width = {width} does not fit model.heads = {heads}: the width must be a "
            f"multiple of the heads, for instance {max(1, round(width / heads)) * heads}"
        )
