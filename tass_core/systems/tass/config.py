"""The fields of TASS: every variant of the paper's Tables 2 to 7."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from tass_core.errors import ConfigError
from tass_core.fields import FREE, at_least, with_defaults
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import Encoder, Mismatched

Merge = Literal["auto", "add", "mul", "max"]
Target = Literal["sentence", "word_soft", "word_argmax"]
Structure = Literal["single", "dual"]
Ordering = Literal["il-va", "il-av", "cat-va", "cat-av"]
Position = Literal["none", "sinusoidal", "learned"]
Synchrony = Literal["js", "legacy", "none"]

ORDERINGS: tuple[Ordering, ...] = get_args(Ordering)


@dataclass(frozen=True, slots=True)
class TassModel:
    """The network (paper, section 3)."""

    encoder: Encoder = "clip"
    """Frozen features and question encoder (section 4.1; Tables 1 and 3)."""
    spatial_grounding: bool = True
    """TSG+ (section 3.3); off is "w/o TSG+" of Table 2."""
    target_aware: Annotated[bool, FREE] = True
    """The target's attention in TSG+ (Eq. 4-5); off is "w/o T-A" of Table 2."""
    merge: Annotated[Merge, FREE] = "auto"
    """How s_a and s_q meet (Eq. 2, Table 4); ``auto`` is the paper's ``add``, or audio alone
    when target_aware is off."""
    tau: Annotated[float, at_least(0.0), FREE] = 0.025
    """Threshold τ on s_q (Eq. 5, Table 5)."""
    target: Target = "sentence"
    """Where f_tgt comes from: the sentence feature or attention over its words."""
    temporal_grounding: bool = True
    """JTG (section 3.4); off is "w/o JTG" of Table 2."""
    structure: Structure = "single"
    """One stream for both modalities, or one attention for each (Table 7)."""
    ordering: Annotated[Ordering, FREE] = "il-va"
    """Interleaved or concatenated, visual or audio first (Eq. 13, Table 6): which positions the
    segments get. Without ``position`` it has no effect."""
    position: Position = "none"
    """Positional encoding of the stream; the paper has none, which makes order immaterial."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width (section 4.1)."""
    heads: Annotated[int, at_least(1)] = 4
    """Attention heads of the MHA (Eq. 14)."""
    attention_dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Dropout of the attention weights (public code; the paper is silent)."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.2
    """Dropout of the feed-forward layers (public code; the paper is silent)."""
    init_from: str = "none"
    """Initial weights: ``none``, ``match`` (a stage-1 pre-training on Eq. 6 alone) or the path
    of a checkpoint folder (section 4.1, training strategy)."""
    pretrain_epochs: Annotated[int, at_least(1)] = 2
    """Epochs of stage 1 when init_from is ``match``."""


@dataclass(frozen=True, slots=True)
class TassLoss(Debiased):
    """L = L_qa + L_cms + λ L_s (section 4.1)."""

    match: Annotated[bool, FREE] = True
    """L_s (Eq. 6-7); off is "w/o L_s" of Table 2."""
    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of L_s."""
    cms: Annotated[Synchrony, FREE] = "js"
    """L_cms (Eq. 10-12, 17): ``js``, the public code's ``legacy`` form, or ``none``."""
    renormalise: Annotated[bool, FREE] = True
    """Whether each half of the stream's weights is scaled to sum to 1 before Eq. 17. On by
    default: Eq. 10-12 compare distributions, and section 4.4 reports unequal mass on the two
    modalities, which the bare halves would penalise."""
    negatives: Mismatched = "batch"
    """Where L_s takes mismatched frames: other videos of the batch or of the whole split."""


def uses_match(model: TassModel, loss: TassLoss) -> bool:
    """Whether L_s takes part in training (Table 2: not without L_s, nor without TSG+)."""
    return model.spatial_grounding and loss.match and loss.lambda_s > 0


def check(model: TassModel, loss: TassLoss) -> None:
    """Refuse fields that contradict each other."""
    if model.merge != "auto" and not model.target_aware:
        raise ConfigError(
            f"model.merge = '{model.merge}' needs model.target_aware = true; "
            "without target-awareness there is nothing to merge: leave model.merge = 'auto'"
        )
    if model.merge != "auto" and not model.spatial_grounding:
        raise ConfigError(
            f"model.merge = '{model.merge}' needs model.spatial_grounding = true: "
            "without TSG+ no attention map is merged; leave model.merge = 'auto'"
        )
    if model.temporal_grounding and model.width % (2 * model.heads):
        raise ConfigError(
            f"model.width = {model.width} does not fit model.heads = {model.heads}: the width "
            f"must be a multiple of twice the heads, for instance "
            f"{max(1, round(model.width / (2 * model.heads))) * 2 * model.heads}"
        )
    if model.structure == "dual" and not model.temporal_grounding:
        raise ConfigError(
            "model.structure = 'dual' needs model.temporal_grounding = true: "
            "without JTG there are no streams; leave model.structure = 'single'"
        )
    if model.init_from == "match" and not uses_match(model, loss):
        raise ConfigError(
            "model.init_from = 'match' needs the match task: model.spatial_grounding = true, "
            f"loss.match = true and loss.lambda_s above 0 (now {loss.lambda_s:g})"
        )


def canonical(model: TassModel, loss: TassLoss) -> tuple[TassModel, TassLoss]:
    """Put back what has no effect, so that one function has one trial key."""
    aware = model.spatial_grounding and model.target_aware
    matched, grounded = uses_match(model, loss), model.temporal_grounding
    single = grounded and model.structure == "single"
    attention = ("heads", "attention_dropout", "dropout", "structure")
    idle = {
        ("target_aware",): not model.spatial_grounding,
        ("merge", "tau", "target"): not aware,
        attention: not grounded,
        ("position",): not single,
        ("ordering",): not single or model.position == "none",
        ("renormalise",): not single or loss.cms != "js",
        ("lambda_s", "negatives"): not matched,
        ("init_from",): model.init_from == "match" and not matched,
        ("pretrain_epochs",): model.init_from != "match" or not matched,
    }
    names = {name for group, is_idle in idle.items() if is_idle for name in group}
    model, loss = with_defaults(model, names), with_defaults(loss, names)
    if aware and model.merge == "auto":
        model = dataclasses.replace(model, merge="add")
    return model, dataclasses.replace(loss, match=matched, cms=loss.cms if grounded else "none")


def pretraining(model: TassModel, _loss: TassLoss) -> int:
    """Return the epochs of stage 1, which trains L_s alone (section 4.1)."""
    return model.pretrain_epochs if model.init_from == "match" else 0
