"""HME, heterogeneous memory enhanced attention (Fan et al., CVPR 2019), for questions on videos.

The question starts two LSTMs over the video, and they start it again. One memory takes in both
streams of the video, another the words; three steps of reasoning read from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from tass_core.fields import FREE, at_least
from tass_core.systems.answering import AnswerLoss, answer_losses, builds, reads
from tass_core.systems.protocol import Encoder, Needs, Shapes, System


@dataclass(frozen=True, slots=True)
class HmeModel:
    """The network."""

    encoder: Encoder = "clip"
    """Frozen features; ``clip`` reads its word features, the other embeds tokens."""
    motion: Literal["audio", "difference"] = "audio"
    """The stream beside the frames, where the published network has motion: the sound, or how
    a frame differs from the one before."""
    width: Annotated[int, at_least(2)] = 512
    """d, the width of every state."""
    slots: Annotated[int, at_least(1)] = 20
    """S, of either memory."""
    steps: Annotated[int, at_least(1)] = 3
    """Of the reasoning."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.2
    """Of what enters a step of the reasoning."""
    init_from: str = "none"
    """Initial weights: ``none`` or the path of a checkpoint folder."""


def features(model: HmeModel, shapes: Shapes) -> Mapping[str, int]:
    """Return the widths of the question after its first reading, and of what is read of videos."""
    heard = {"audio": shapes.audio} if model.motion == "audio" else {}
    return {"question": 2 * model.width, "visual": shapes.visual, **heard}


def needs(model: HmeModel, _loss: AnswerLoss) -> Needs:
    """Return what a variant reads."""
    return reads(model.encoder, "words")


HME = System(
    name="hme",
    model=HmeModel,
    loss=AnswerLoss,
    terms=("qa",),
    needs=needs,
    build=builds("tass_core.systems.hme.network"),
    losses=answer_losses,
    word_vectors="embedding.weight",
    features=features,
    fidelity="adapted",
    differs="frames and sound instead of appearance and motion features",
    sees_time=True,
    sees_place=False,
)
