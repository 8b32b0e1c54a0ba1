"""MCAN, deep modular co-attention (Yu et al., CVPR 2019), a network for questions on images.

The words attend to each other, then the tokens of the video to each other and to the words;
each side is pooled, and the answer read from their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tass_core.errors import ConfigError
from tass_core.fields import FREE, at_least
from tass_core.systems.answering import reads, require_heads
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import (
    Batch,
    Encoder,
    Needs,
    Output,
    Shapes,
    Stage,
    System,
    Term,
    refuse_pretraining,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class McanModel:
    """The network."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads its word features, the other runs an LSTM over tokens."""
    inputs: Literal["av", "v", "a"] = "av"
    """Tokens of frames, of sound, or of both; the published network has no sound."""
    visual: Literal["frames", "regions"] = "frames"
    """A token for each frame, the mean of its regions, or for each region."""
    layers: Annotated[int, at_least(1)] = 6
    """L, of the words' and of the tokens' stack."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 8
    """Heads of every attention."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, of hidden layers and of every residual branch."""
    positions: bool = False
    """Whether a learned vector tells a token's segment; without, order is immaterial."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


@dataclass(frozen=True, slots=True)
class McanLoss(Debiased):
    """The loss on the answers."""

    bce: Annotated[bool, FREE] = False
    """A logistic loss on every answer, summed, as published for VQA's soft scores; off is the
    cross-entropy, which suits answers that exclude each other."""


def features(model: McanModel, _shapes: Shapes) -> Mapping[str, int]:
    """Return the widths of what there is of words, frames and sounds."""
    inputs = {"v": "visual", "a": "audio"}
    return dict.fromkeys(("question", *(inputs[it] for it in model.inputs)), model.width)


def needs(model: McanModel, _loss: McanLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "words", visual="v" in model.inputs)


def check(model: McanModel, loss: McanLoss) -> None:
    """Refuse fields that contradict each other."""
    refuse_pretraining(model, loss)
    require_heads(model.width, model.heads)
    if model.visual == "regions" and "v" not in model.inputs:
        raise ConfigError(
            f"model.visual = 'regions' needs visual tokens, but model.inputs = '{model.inputs}': "
            "leave model.visual = 'frames'"
        )


def build(model: McanModel, _loss: McanLoss, shapes: Shapes) -> nn.Module:
    """Return the network."""
    from tass_core.systems.mcan.network import Network

    return Network(model, shapes)


def losses(
    output: Output, batch: Batch, _model: McanModel, loss: McanLoss, _stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa."""
    from tass_core.systems.blocks.match import answer_term
    from tass_core.systems.mcan.network import logistic_term

    return {"qa": (logistic_term if loss.bce else answer_term)(output, batch)}


MCAN = System(
    name="mcan",
    model=McanModel,
    loss=McanLoss,
    terms=("qa",),
    needs=needs,
    build=build,
    losses=losses,
    check=check,
    word_vectors="words.embedding.weight",
    features=features,
    fidelity="adapted",
    differs="frames instead of detected objects, sound as further tokens, cross-entropy",
    sees_time=False,
    sees_place=False,
)
