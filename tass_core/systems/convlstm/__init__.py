"""CONVLSTM (Fayek and Johnson, 2020), a network for questions on sounds.

Convolutions and an LSTM read the sound, another LSTM the question; two layers answer from the
last state of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from tass_core.fields import at_least, with_defaults
from tass_core.systems.answering import AnswerLoss, answer_losses, builds, reads
from tass_core.systems.protocol import Encoder, Needs, Shapes, System, drop_pretraining


@dataclass(frozen=True, slots=True)
class ConvLstmModel:
    """The network."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads its sentence feature, the other runs LSTMs over tokens."""
    inputs: Literal["a", "av"] = "a"
    """The sound, as published, or also an LSTM over the frames, which is ours."""
    convolution: Literal["image", "temporal"] = "image"
    """Over time and channels, as over a spectrogram; or over time alone, since channels of
    VGGish have no order."""
    filters: Annotated[int, at_least(1)] = 16
    """Of the first block of ``image``; every further block has twice as many, at most 512."""
    blocks: Annotated[int, at_least(1)] = 5
    """Of ``image``, of two convolutions each."""
    layers: Annotated[int, at_least(1)] = 2
    """Of every LSTM."""
    width: Annotated[int, at_least(4)] = 512
    """d, the width of every LSTM."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def features(model: ConvLstmModel, _shapes: Shapes) -> Mapping[str, int]:
    """Return the widths of the LSTMs' last states."""
    seen = ("visual",) if model.inputs == "av" else ()
    return dict.fromkeys(("question", "audio", *seen), model.width)


def needs(model: ConvLstmModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "sentence", visual=model.inputs == "av")


def canonical(model: ConvLstmModel, loss: AnswerLoss) -> tuple[ConvLstmModel, AnswerLoss]:
    """Put back what convolutions over time do not read."""
    idle = {"filters", "blocks"} if model.convolution == "temporal" else ()
    return drop_pretraining(with_defaults(model, idle), loss)


CONVLSTM = System(
    name="convlstm",
    model=ConvLstmModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.convlstm.network"),
    losses=answer_losses,
    canonical=canonical,
    word_vectors="embedding.weight",
    features=features,
    fidelity="adapted",
    differs="VGGish instead of a spectrogram, pooled over channels alone; no batch statistics",
    sees_time=True,
    sees_place=False,
)
