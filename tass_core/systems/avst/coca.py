"""COCA-style causal regularisation of AVST, after the idea of Lao et al. (2023).

Three shortcuts lead to an answer without both streams: the question, the question with the sound,
the question with the frames. Where a shortcut alone, the rest being another video's, gives the
right answer about as well as the true video does, the network pays. At test it is AVST.

Neither equations nor code of COCA were found. With p the right answer's probability, p_s under
shortcut s: L_s = -log(p / (p + p_s)), weighed by w_s = 3 softmax_s(p_s / τ), without gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from tass_core.fields import FREE, above, at_least, with_defaults
from tass_core.systems.answering import of_width
from tass_core.systems.avst import AVST, AvstLoss, AvstModel
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import Batch, Needs, Output, Shapes, Stage, System, Term

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class CocaLoss(Debiased):
    """L = L_qa + λ L_s + λ_c mean Σ w_s L_s."""

    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of AVST's match task; at 0 its layers are left out."""
    lambda_c: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ_c, the weight of the regularisation; at 0 this is AVST."""
    tau: Annotated[float, above(0.0), FREE] = 0.5
    """τ, how evenly the three shortcuts weigh."""


def as_avst(loss: CocaLoss) -> AvstLoss:
    """Return AVST's part; the mismatched frames are those that the shortcuts look at."""
    return AvstLoss(lambda_s=loss.lambda_s, negatives="dataset")


def needs(model: AvstModel, loss: CocaLoss) -> Needs:
    """Return what it reads."""
    return replace(AVST.needs(model, as_avst(loss)), negatives="dataset")


def canonical(model: AvstModel, loss: CocaLoss) -> tuple[AvstModel, CocaLoss]:
    """Put back what has no effect."""
    model, _ = AVST.canonical(model, as_avst(loss))
    return model, with_defaults(loss, {"tau"} if loss.lambda_c == 0 else ())


def build(model: AvstModel, loss: CocaLoss, shapes: Shapes) -> nn.Module:
    """Return the network; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.avst.shortcuts import Network

    return Network(model, as_avst(loss), shapes)


def losses(
    output: Output, batch: Batch, model: AvstModel, loss: CocaLoss, stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa, L_s and the regularisation of a step."""
    from tass_core.systems.avst.shortcuts import causal_loss

    found = dict(AVST.losses(output, batch, model, as_avst(loss), stage))
    if stage == "train" and "shortcut/q" in output.extra:
        total = causal_loss(output, batch, loss.tau).sum()
        found["causal"] = Term(total, len(batch.answer), loss.lambda_c)
    return found


COCA = System(
    name="coca",
    model=AvstModel,
    loss=CocaLoss,
    terms=("qa", "s", "causal"),
    needs=needs,
    build=build,
    losses=losses,
    canonical=canonical,
    check=lambda model, loss: AVST.check(model, as_avst(loss)),
    pretraining=lambda model, loss: AVST.pretraining(model, as_avst(loss)),
    word_vectors=AVST.word_vectors,
    features=of_width,
    fidelity="reconstructed",
    differs="its equations were not found: the idea is theirs, the equations ours, on AVST",
    sees_time=False,
    sees_place=False,
)
