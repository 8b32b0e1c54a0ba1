"""TJSTG (Jiang and Yin, 2023), the network from which TASS comes, made of TASS's modules.

It multiplies both maps of TSG, takes the target from one word, and has the public code's form of
the synchrony loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from tass_core.fields import FREE, at_least, with_defaults
from tass_core.systems.answering import of_width
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import (
    TOKENS,
    Batch,
    Encoder,
    Needs,
    Output,
    Shapes,
    Stage,
    System,
    Term,
)
from tass_core.systems.tass import TASS
from tass_core.systems.tass.config import Synchrony, TassLoss, TassModel

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class TjstgModel:
    """The network, at the sizes of the public code."""

    encoder: Encoder = "clip"
    """Frozen features and question encoder; the paper has ResNet-18 and an LSTM."""
    tau: Annotated[float, at_least(0.0), FREE] = 0.025
    """Threshold on the target's map."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 4
    """Attention heads, those that pick the word included."""
    attention_dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Dropout of the attention weights."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.2
    """Dropout of the feed-forward layers."""
    init_from: str = "none"
    """Initial weights: ``none``, ``match`` (stage 1: the match task alone) or the path of a
    checkpoint folder."""
    pretrain_epochs: Annotated[int, at_least(1)] = 2
    """Epochs of stage 1 when init_from is ``match``."""


@dataclass(frozen=True, slots=True)
class TjstgLoss(Debiased):
    """L = L_qa + L_cms + λ L_s."""

    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of the match task; at 0 its layers are left out."""
    cms: Annotated[Synchrony, FREE] = "legacy"
    """The synchrony loss as the public code computes it, or as the paper writes it (``js``)."""


def as_tass(model: TjstgModel, loss: TjstgLoss) -> tuple[TassModel, TassLoss]:
    """Return the fields of the TASS that has the same modules, but for the target."""
    own = {name: getattr(model, name) for name in TjstgModel.__slots__}
    return (
        TassModel(**own, merge="mul"),
        TassLoss(lambda_s=loss.lambda_s, cms=loss.cms, match=loss.lambda_s > 0),
    )


def needs(model: TjstgModel, loss: TjstgLoss) -> Needs:
    """Return what it reads: with CLIP its word features, too."""
    read = TASS.needs(*as_tass(model, loss))
    return replace(read, arrays=read.arrays | ({"words"} if model.encoder not in TOKENS else set()))


def canonical(model: TjstgModel, loss: TjstgLoss) -> tuple[TjstgModel, TjstgLoss]:
    """Put back what has no effect without the match task."""
    pretrains = model.init_from == "match" and loss.lambda_s > 0
    idle = set() if pretrains else {"pretrain_epochs"}
    if model.init_from == "match" and not pretrains:
        idle.add("init_from")
    return with_defaults(model, idle), loss


def check(model: TjstgModel, loss: TjstgLoss) -> None:
    """Refuse fields that contradict each other."""
    TASS.check(*as_tass(model, loss))


def build(model: TjstgModel, loss: TjstgLoss, shapes: Shapes) -> nn.Module:
    """Return the network; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.tass.network import Network
    from tass_core.systems.tass.word import choosing_question

    network = Network(*TASS.canonical(*as_tass(model, loss)), shapes)
    network.question = choosing_question(model.encoder, shapes, model.width, model.heads)
    return network


def losses(
    output: Output, batch: Batch, model: TjstgModel, loss: TjstgLoss, stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa, L_cms and L_s of a step."""
    return TASS.losses(output, batch, *as_tass(model, loss), stage)


def pretraining(model: TjstgModel, _loss: TjstgLoss) -> int:
    """Return the epochs of stage 1."""
    return model.pretrain_epochs if model.init_from == "match" else 0


def gradient_free(_model: TjstgModel, _loss: TjstgLoss) -> tuple[str, ...]:
    """Return the attention that picks the word: its argmax gives it no gradient."""
    return ("question.target.attention",)


TJSTG = System(
    name="tjstg",
    model=TjstgModel,
    loss=TjstgLoss,
    terms=TASS.terms,
    needs=needs,
    build=build,
    losses=losses,
    canonical=canonical,
    check=check,
    pretraining=pretraining,
    per_member=TASS.per_member,
    word_vectors=TASS.word_vectors,
    gradient_free=gradient_free,
    features=of_width,
    fidelity="exact",
    differs="both maps are multiplied, as its paper says; its public code adds them",
    sees_time=True,
    sees_place=False,
)
