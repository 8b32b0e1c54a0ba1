"""Pano-AVQA's LAViT (Yun et al., ICCV 2021), a transformer of three streams.

Words, places in frames and sounds each attend to themselves; then words look at sounds, sounds at
places and places at words, in a ring. Coordinates tell where and when a token is.
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
class LavitModel:
    """The network, at sizes for this data."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads its word features, the other embeds tokens."""
    cells: Annotated[int, at_least(1)] = 2
    """Every frame is averaged to at most so many rows and columns of cells, a token each."""
    coordinates: bool = True
    """Whether tokens are told where and when they are."""
    language_layers: Annotated[int, at_least(1)] = 2
    """Self-attention layers of the words; 9 in the public code."""
    visual_layers: Annotated[int, at_least(1)] = 1
    """Of the frames; 5 in the public code."""
    audio_layers: Annotated[int, at_least(1)] = 1
    """Of the sounds; 5 in the public code."""
    cross_layers: Annotated[int, at_least(1)] = 2
    """Layers of the ring; 5 in the public code."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width; 768 in the public code."""
    heads: Annotated[int, at_least(1)] = 8
    """Heads of every attention; 12 in the public code."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers, branches and embeddings."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def needs(model: LavitModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "words")


PANO_AVQA = System(
    name="pano-avqa",
    model=LavitModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.pano_avqa.network"),
    losses=answer_losses,
    check=check_heads,
    word_vectors="embed_words.embedding.weight",
    features=of_width,
    fidelity="adapted",
    differs="cells of a grid instead of detected objects, mono sound, fewer layers, no pretraining",
    sees_time=True,
    sees_place=True,
)
