"""AVSD's simple baseline (Schwartz et al., CVPR 2019), a network for dialogues about videos.

Factor graph attention: question, sound and frames each attend to their own parts by what every
part is and by how well it agrees with the parts of all the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tass_core.fields import FREE, at_least, with_defaults
from tass_core.systems.answering import AnswerLoss, answer_losses, builds, of_width, reads
from tass_core.systems.protocol import Encoder, Needs, System, drop_pretraining


@dataclass(frozen=True, slots=True)
class AvsdModel:
    """The network."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads its word features, the other runs an LSTM over tokens."""
    frames: Annotated[int, at_least(1)] = 4
    """Frames that it looks at, evenly spaced, each with layers of its own."""
    shared: bool = False
    """Whether it looks at every frame, with the same layers for all."""
    width: Annotated[int, at_least(2)] = 256
    """d, the feature width."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.5
    """In the attention, and before the answer."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def needs(model: AvsdModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "words")


def canonical(model: AvsdModel, loss: AnswerLoss) -> tuple[AvsdModel, AnswerLoss]:
    """Put back what has no effect on all frames."""
    return drop_pretraining(with_defaults(model, {"frames"} if model.shared else ()), loss)


AVSD = System(
    name="avsd",
    model=AvsdModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.avsd.network"),
    losses=answer_losses,
    canonical=canonical,
    word_vectors="words.embedding.weight",
    features=of_width,
    fidelity="adapted",
    differs="no dialogue before the question; an answer class instead of generated words",
    sees_time=True,
    sees_place=False,
)
