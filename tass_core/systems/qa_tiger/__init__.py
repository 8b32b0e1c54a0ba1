"""QA-TIGER (Kim et al., CVPR 2025): experts that look at time through Gaussians.

Question, sounds and frames are fused; both modalities look into each second's regions; experts,
each with a Gaussian over time of its own, are mixed as the question asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tass_core.fields import FREE, at_least
from tass_core.systems.answering import (
    AnswerLoss,
    answer_losses,
    builds,
    check_heads,
    of_width,
    reads,
)
from tass_core.systems.protocol import Encoder, Needs, System


@dataclass(frozen=True, slots=True)
class TigerModel:
    """The network, at the sizes of the public code."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads sentence and words, the other runs an LSTM over tokens."""
    experts: Annotated[int, at_least(1)] = 7
    """E, experts of each modality. All are used: the published top-k is all of them."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 8
    """Heads of every attention."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers and branches."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def needs(model: TigerModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "sentence", "words")


QA_TIGER = System(
    name="qa-tiger",
    model=TigerModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.qa_tiger.network"),
    losses=answer_losses,
    check=check_heads,
    word_vectors="asked.asked.embedding.weight",
    features=of_width,
    fidelity="adapted",
    differs="regions instead of merged tokens; padding words are masked",
    sees_time=True,
    sees_place=False,
)
