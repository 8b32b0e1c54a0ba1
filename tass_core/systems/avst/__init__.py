"""AVST: spatio-temporal grounding for audio-visual questions (Li et al., CVPR 2022).

The audio of every second looks into its frame; the question attends to both grounded streams,
each over time on its own. All its sums run over regions and seconds alike, so that it is blind
to the order of time and to where a region lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from tass_core.errors import ConfigError
from tass_core.fields import FREE, at_least, with_defaults
from tass_core.systems.answering import of_width, reads, require_heads
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import (
    Batch,
    Encoder,
    Mismatched,
    Needs,
    Output,
    Shapes,
    Stage,
    System,
    Term,
)

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class AvstModel:
    """The network, at the sizes of the public code."""

    encoder: Encoder = "clip"
    """Frozen features and question encoder; the paper has ResNet-18 and an LSTM."""
    width: Annotated[int, at_least(4)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 4
    """Attention heads of the question's attention."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Dropout of the attention weights and of the feed-forward layers."""
    init_from: str = "none"
    """Initial weights: ``none``, ``match`` (stage 1: the match task alone) or the path of a
    checkpoint folder."""
    pretrain_epochs: Annotated[int, at_least(1)] = 2
    """Epochs of stage 1 when init_from is ``match``."""


@dataclass(frozen=True, slots=True)
class AvstLoss(Debiased):
    """L = L_qa + λ L_s."""

    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of the match task; at 0 its layers are left out."""
    negatives: Mismatched = "batch"
    """Where the match task takes mismatched frames."""


def needs(model: AvstModel, loss: AvstLoss) -> Needs:
    """Return what it reads."""
    read = reads(model.encoder, "sentence")
    return replace(read, negatives=loss.negatives if loss.lambda_s > 0 else "none")


def canonical(model: AvstModel, loss: AvstLoss) -> tuple[AvstModel, AvstLoss]:
    """Put back what has no effect without the match task."""
    if loss.lambda_s == 0:
        loss = with_defaults(loss, {"negatives"})
        model = with_defaults(model, {"init_from"} if model.init_from == "match" else ())
    return with_defaults(model, () if model.init_from == "match" else {"pretrain_epochs"}), loss


def check(model: AvstModel, loss: AvstLoss) -> None:
    """Refuse fields that contradict each other."""
    require_heads(model.width, model.heads)
    if model.init_from == "match" and loss.lambda_s == 0:
        raise ConfigError(
            "model.init_from = 'match' needs the match task: loss.lambda_s above 0 (now 0)"
        )


def pretraining(model: AvstModel, _loss: AvstLoss) -> int:
    """Return the epochs of stage 1."""
    return model.pretrain_epochs if model.init_from == "match" else 0


def build(model: AvstModel, loss: AvstLoss, shapes: Shapes) -> nn.Module:
    """Return the network; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.avst.network import Network

    return Network(model, loss, shapes)


def losses(
    output: Output, batch: Batch, _model: AvstModel, loss: AvstLoss, stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa and L_s of a step; stage 1 has the latter alone."""
    from tass_core.systems.blocks.match import answer_term, match_term

    found = {"qa": answer_term(output, batch)} if stage == "train" else {}
    if "matched" in output.extra:
        found["s"] = match_term(output, batch, loss.lambda_s)
    return found


def released(public: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the public code's weights by our names."""
    from tass_core.systems.avst.released import read_released

    return read_released(public)


AVST = System(
    name="avst",
    model=AvstModel,
    loss=AvstLoss,
    terms=("qa", "s"),
    needs=needs,
    build=build,
    losses=losses,
    canonical=canonical,
    check=check,
    pretraining=pretraining,
    word_vectors="question.embedding.weight",
    released=released,
    features=of_width,
    fidelity="exact",
    differs="the question's LSTM stops at the last word; with CLIP a layer on the regions",
    sees_time=False,
    sees_place=False,
)
