"""TASS, the paper's target-aware single-stream network (section 3).

docs/paper.md says for every equation what the code computes and where that departs from the print.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tass_core.systems.answering import of_width
from tass_core.systems.protocol import (
    TOKENS,
    ArrayName,
    Batch,
    Needs,
    Output,
    Shapes,
    Stage,
    System,
    Term,
)
from tass_core.systems.tass import config
from tass_core.systems.tass.config import TassLoss, TassModel, uses_match

if TYPE_CHECKING:
    from torch import nn


def needs(model: TassModel, loss: TassLoss) -> Needs:
    """Return what a variant reads."""
    text: set[ArrayName] = {"sentence"} if model.encoder not in TOKENS else {"tokens"}
    if model.encoder not in TOKENS and model.target != "sentence":
        text.add("words")
    negatives = loss.negatives if uses_match(model, loss) else "none"
    return Needs(model.encoder, frozenset({"visual", *text}), negatives)


def build(model: TassModel, loss: TassLoss, shapes: Shapes) -> nn.Module:
    """Return the network; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.tass.network import Network

    return Network(model, loss, shapes)


def losses(
    output: Output, batch: Batch, _model: TassModel, loss: TassLoss, stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa, L_cms and L_s of a step."""
    from tass_core.systems.tass.losses import terms

    return terms(output, batch, loss, stage)


def gradient_free(model: TassModel, _loss: TassLoss) -> tuple[str, ...]:
    """Return what chooses the target's word: its argmax gives it no gradient."""
    return ("question.target.query",) if model.target == "word_argmax" else ()


TASS = System(
    name="tass",
    model=TassModel,
    loss=TassLoss,
    terms=("qa", "s", "cms"),
    needs=needs,
    build=build,
    losses=losses,
    canonical=config.canonical,
    check=config.check,
    pretraining=config.pretraining,
    per_member=frozenset({"tau", "ordering"}),
    word_vectors="question.embedding.weight",
    gradient_free=gradient_free,
    features=of_width,
    fidelity="exact",
    differs="one linear layer more on CLIP's sentence feature",
    sees_place=False,
)
