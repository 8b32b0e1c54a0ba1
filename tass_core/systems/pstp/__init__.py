"""PSTP (Li et al., ACM MM 2023), progressive selection in time and space, in two forms.

``pstp`` is the network of the paper. ``pstp-released`` is what the public code computes: the line
that joins the chosen segments, the chosen regions and the layer on both modalities is commented
out there, so that one layer on sounds, frames and words alone leads to the answer.

Neither sees which segments come first. ``pstp`` sees which of them are neighbours, in one part.
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
from tass_core.systems.protocol import Encoder, Needs, Selection, System


@dataclass(frozen=True, slots=True)
class PstpModel:
    """The network of the paper."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads sentence and words, the other runs an LSTM over tokens."""
    span: Annotated[int, at_least(1)] = 2
    """Segments of a part; of T segments at most their greatest common divisor."""
    parts: Annotated[int, at_least(1)] = 2
    """k, parts that are kept."""
    regions: Annotated[int, at_least(1)] = 25
    """m, regions that are kept in each frame of those parts."""
    select: Selection = "hard"
    """``hard``, as published, never trains what selects."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 4
    """Heads of the question's and the sound's attention; the other layers have one."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers and branches."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """What of the public code reaches the answer."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads sentence and words, the other runs an LSTM over tokens."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers and branches."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def needs(model: PstpModel | ReleasedModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "sentence", "words")


def gradient_free(model: PstpModel, _loss: AnswerLoss) -> tuple[str, ...]:
    """Return what selects, or, where the selection learns, what comes after its weights."""
    select = ("select_part", "select_region")
    if model.select == "hard":
        return ("part", *select)
    idle = ("value", "output", "feed_in", "feed_out", "norm")
    return tuple(f"{module}.{layer}" for module in select for layer in idle)


PSTP = System(
    name="pstp",
    model=PstpModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.pstp.network"),
    losses=answer_losses,
    check=check_heads,
    word_vectors="asked.asked.embedding.weight",
    gradient_free=gradient_free,
    features=of_width,
    fidelity="exact",
    differs="as its paper describes it; what its public code computes is pstp-released",
    sees_time=False,
    sees_place=False,
)
PSTP_RELEASED = System(
    name="pstp-released",
    model=ReleasedModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.pstp.network", "Released"),
    losses=answer_losses,
    word_vectors="asked.asked.embedding.weight",
    features=of_width,
    fidelity="exact",
    differs="what the public code computes: it joins none of its three modules to the answer",
    sees_time=False,
    sees_place=False,
)
