"""AV-Master (Zhang et al., 2025): two paths through a video, and an answer from each modality.

Slots read frames and sounds second by second; tokens of both and the words look into them. Beside
it sounds, and frames, attend to the words. The fused feature, the sounds and the frames each
answer, and their logits add up. A contrast lets the fused feature agree more with its own video's
sounds and frames than with another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from tass_core.fields import FREE, above, at_least, with_defaults
from tass_core.systems.answering import builds, check_heads, of_width, reads
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import (
    Batch,
    Encoder,
    Needs,
    Output,
    Stage,
    System,
    Term,
    drop_pretraining,
)


@dataclass(frozen=True, slots=True)
class MasterModel:
    """The network; the public code is 768 wide."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads sentence and words, the other runs an LSTM over tokens."""
    slots: Annotated[int, at_least(1)] = 8
    """Slots of each modality."""
    start: Literal["frame", "biased"] = "frame"
    """What slots start as: all as the first second, as published, where dropout alone tells them
    apart, so that they answer as one slot; or each also with its own bias, which is ours."""
    inner: Annotated[int, at_least(1)] = 512
    """Width of the slots' hidden layers."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 8
    """Heads of the slots' and of the question's attention; the other layers have one."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers and branches."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


@dataclass(frozen=True, slots=True)
class MasterLoss(Debiased):
    """L = L_qa of the fused feature, of the sounds and of the frames, and λ_c times a contrast."""

    lambda_c: Annotated[float, at_least(0.0), FREE] = 1.0
    """λ_c, the weight of the contrast."""
    temperature: Annotated[float, above(0.0), FREE] = 0.1
    """By which its cosines are divided."""


def needs(model: MasterModel, loss: MasterLoss) -> Needs:
    """Return what a variant reads."""
    read = reads(model.encoder, "sentence", "words")
    return replace(read, negatives="dataset" if loss.lambda_c > 0 else "none")


def canonical(model: MasterModel, loss: MasterLoss) -> tuple[MasterModel, MasterLoss]:
    """Put back what has no effect."""
    model, loss = drop_pretraining(model, loss)
    return model, with_defaults(loss, {"temperature"} if loss.lambda_c == 0 else ())


def losses(
    output: Output, batch: Batch, _model: MasterModel, loss: MasterLoss, _stage: Stage
) -> Mapping[str, Term]:
    """Return the three answers' L_qa and the contrast."""
    from tass_core.systems.av_master.losses import answers_term, contrast_term

    found = {"qa": answers_term(output, batch)}
    if "cosine/own" in output.extra:
        found["contrast"] = contrast_term(output, batch, loss.temperature, loss.lambda_c)
    return found


AV_MASTER = System(
    name="av-master",
    model=MasterModel,
    loss=MasterLoss,
    terms=("qa", "contrast"),
    needs=needs,
    build=builds("tass_core.systems.av_master.network"),
    losses=losses,
    canonical=canonical,
    check=check_heads,
    word_vectors="asked.asked.embedding.weight",
    features=of_width,
    fidelity="adapted",
    differs="means of regions instead of class tokens, masked padding, a contrast of each question "
    "alone; its answers' layers are reconstructed",
    sees_time=True,
    sees_place=False,
)
