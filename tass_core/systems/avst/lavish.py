"""LAVISH-style adapters (Lin et al., CVPR 2023) between frozen features, with AVST on top.

The published adapters stand in every block of a frozen backbone that frames and sounds share.
Here the features are frozen for good, so that the adapters exchange frames and sounds after them:
no backbone is adapted, which was the point of the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from tass_core.errors import ConfigError
from tass_core.fields import FREE, at_least
from tass_core.systems.answering import of_width
from tass_core.systems.avst import AVST, AvstLoss, AvstModel
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import Batch, Encoder, Needs, Output, Shapes, Stage, System, Term

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class LavishModel:
    """The adapters, and AVST's fields."""

    encoder: Encoder = "clip"
    """Frozen features and question encoder."""
    rounds: Annotated[int, at_least(1)] = 2
    """Times that frames and sounds pass a pair of adapters twice, as in a backbone's block."""
    latents: Annotated[int, at_least(1)] = 32
    """Latent tokens of an adapter."""
    latent_init: Literal["zero", "normal"] = "zero"
    """How they start: all at 0, as published, where they stay alike and so are one token; or
    drawn with deviation 0.02."""
    width: Annotated[int, at_least(4)] = 512
    """d, the feature width, a multiple of 4."""
    heads: Annotated[int, at_least(1)] = 4
    """Attention heads of the question's attention."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Dropout of AVST."""
    init_from: str = "none"
    """Initial weights: ``none``, ``match`` (stage 1: the match task alone) or the path of a
    checkpoint folder."""
    pretrain_epochs: Annotated[int, at_least(1)] = 2
    """Epochs of stage 1 when init_from is ``match``."""


@dataclass(frozen=True, slots=True)
class LavishLoss(Debiased):
    """L = L_qa + λ L_s."""

    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of the match task; at 0 its layers are left out."""


def as_avst(model: LavishModel, loss: LavishLoss) -> tuple[AvstModel, AvstLoss]:
    """Return the fields of the AVST on top; mismatched frames come without adapters."""
    own = {name: getattr(model, name) for name in AvstModel.__slots__}
    return AvstModel(**own), AvstLoss(lambda_s=loss.lambda_s, negatives="dataset")


def needs(model: LavishModel, loss: LavishLoss) -> Needs:
    """Return what it reads."""
    return AVST.needs(*as_avst(model, loss))


def canonical(model: LavishModel, loss: LavishLoss) -> tuple[LavishModel, LavishLoss]:
    """Put back what has no effect without the match task."""
    found, _ = AVST.canonical(*as_avst(model, loss))
    return replace(model, init_from=found.init_from, pretrain_epochs=found.pretrain_epochs), loss


def check(model: LavishModel, loss: LavishLoss) -> None:
    """Refuse fields that contradict each other."""
    AVST.check(*as_avst(model, loss))
    if model.width % 4:
        raise ConfigError(
            f"model.width = {model.width} is no multiple of 4, the groups of an adapter; take for "
            f"instance {max(1, round(model.width / 4)) * 4}"
        )


def build(model: LavishModel, loss: LavishLoss, shapes: Shapes) -> nn.Module:
    """Return the network; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.avst.adapters import Network

    return Network(model, *as_avst(model, loss), shapes)


def losses(
    output: Output, batch: Batch, model: LavishModel, loss: LavishLoss, stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa and L_s of a step; stage 1 has the latter alone."""
    return AVST.losses(output, batch, *as_avst(model, loss), stage)


LAVISH = System(
    name="lavish",
    model=LavishModel,
    loss=LavishLoss,
    terms=AVST.terms,
    needs=needs,
    build=build,
    losses=losses,
    canonical=canonical,
    check=check,
    pretraining=lambda model, loss: AVST.pretraining(*as_avst(model, loss)),
    word_vectors=AVST.word_vectors,
    features=of_width,
    fidelity="adapted",
    differs="no backbone adaptation: adapters on frozen features instead of inside Swin-V2",
    sees_time=False,
    sees_place=False,
)
