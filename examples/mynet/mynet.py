"""MyNet: the means of sound and frames, each weighed by the question, and an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from tass_core.fields import FREE, at_least
from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.match import answer_term
from tass_core.systems.protocol import Batch, Encoder, Needs, Noise, Output, Shapes, System, Term


@dataclass(frozen=True)
class Model:
    """``--set model.width=256``; types, choices and limits are checked."""

    encoder: Encoder = "clip"
    init_from: str = "none"
    width: Annotated[int, at_least(1)] = 128
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1


@dataclass(frozen=True)
class Loss:
    """``--set loss.scale=2``. FREE: members of one pack may differ in it."""

    scale: Annotated[float, at_least(0.0), FREE] = 1.0


class Network(nn.Module):
    """A plain network; videos are held once, however many questions are about them."""

    def __init__(self, model: Model, shapes: Shapes) -> None:
        super().__init__()
        self.hear = nn.Linear(shapes.audio, model.width)
        self.see = nn.Linear(shapes.visual, model.width)
        self.ask = nn.Linear(shapes.text, model.width)
        self.drop = KeyedDropout(model.dropout, "both")
        self.answer = nn.Linear(model.width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the questions of a batch; there is noise in training alone."""
        apart = batch.per_question()
        heard = self.hear(apart.audio.mean(dim=1))
        seen = self.see(apart.visual.mean(dim=(1, 2)))
        both = torch.tanh(heard + seen) * self.ask(apart.sentence)
        return Output(self.answer(self.drop(both, noise)))


def losses(output: Output, batch: Batch, _model: Model, loss: Loss, _stage: str) -> dict[str, Term]:
    """Return the terms of a step's loss; workers' totals add up to the batch's."""
    term = answer_term(output, batch)
    return {"qa": Term(term.total, term.count, weight=loss.scale)}


MYNET = System(
    name="mynet",
    model=Model,
    loss=Loss,
    terms=("qa",),
    needs=lambda model, _loss: Needs(model.encoder, frozenset({"visual", "sentence"})),
    build=lambda model, _loss, shapes: Network(model, shapes),
    losses=losses,
    sees_time=False,
    sees_place=False,
)
