"""TSPM (Li et al., ACM MM 2024), temporal and spatial perception with a prompt.

A prompt picks seconds; in their frames, tokens attend to each other and the sound to the tokens.
As released, the choice is hard and what it is made by is discarded, so that it never learns:
an untrained projection picks the seconds. ``model.select=soft`` lets it learn.
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
class TspmModel:
    """The network."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads the sentence feature, the other runs an LSTM over tokens."""
    segments: Annotated[int, at_least(1)] = 5
    """k, segments that are kept."""
    select: Selection = "hard"
    """``hard``, as released, never trains what selects; the others are ours."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width."""
    heads: Annotated[int, at_least(1)] = 4
    """Heads of the prompt's, the sound's and the question's attention; other layers have one."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Of attention weights, hidden layers and branches."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def needs(model: TspmModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "sentence")


def gradient_free(model: TspmModel, _loss: AnswerLoss) -> tuple[str, ...]:
    """Return what selects, or, where the selection learns, what comes after its weights."""
    if model.select == "hard":
        return ("prompt", "select")
    return tuple(f"select.{layer}" for layer in ("value", "output", "feed_in", "feed_out", "norm"))


TSPM = System(
    name="tspm",
    model=TspmModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.tspm.network"),
    losses=answer_losses,
    check=check_heads,
    word_vectors="question.embedding.weight",
    gradient_free=gradient_free,
    features=of_width,
    fidelity="adapted",
    differs="regions instead of merged tokens; the question is its own prompt; tokens of the "
    "seconds that were chosen",
    sees_time=False,
    sees_place=False,
)
