"""PSTP: parts of the video, regions of their frames, the sound in them, and all tokens at last."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.blocks.fusion import FusionLayer, mean_of_shown
from tass_core.systems.blocks.rows import again, take
from tass_core.systems.blocks.selection import choose, pick
from tass_core.systems.blocks.words import SentenceAndWords, mean_frames
from tass_core.systems.protocol import Batch, Noise, Output, Shapes
from tass_core.systems.pstp import PstpModel, ReleasedModel


class Inputs(NamedTuple):
    """What both forms read, projected, of the owned questions."""

    question: Tensor
    """[B', D]"""
    words: Tensor
    """[B', N, D]"""
    padding: Tensor
    """[B', N], True after the last word."""
    audio: Tensor
    """[B', T, D]"""
    frames: Tensor
    """[B', T, D], the means of their regions."""

    def means(self) -> dict[str, Tensor]:
        """Return the question, and the means over time of sounds and frames: [B', D] each."""
        over_time = {"audio": self.audio.mean(dim=1), "visual": self.frames.mean(dim=1)}
        return {"question": self.question, **over_time}


class Released(nn.Module):
    """One self-attention layer on sounds, frames and words, their mean, and the product with q."""

    def __init__(self, model: PstpModel | ReleasedModel, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        self.asked = SentenceAndWords(model.encoder, shapes, width)
        self.project_audio = nn.Linear(shapes.audio, width)
        self.project_frame = nn.Linear(shapes.visual, width)
        self.join = FusionLayer(width, 1, model.dropout, "join", hidden=width)
        self.classify = nn.Linear(width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        found = self.read(batch)
        logits = self.answer(found, [found.audio, found.frames], noise)
        return Output(logits, features=found.means())

    def read(self, batch: Batch) -> Inputs:
        """Return the inputs of the owned questions."""
        video = batch.video[batch.rows]
        audio = take(self.project_audio(batch.audio), video)
        frames = take(self.project_frame(mean_frames(batch)), video - batch.first_video)
        question, words, padding = self.asked(batch)
        return Inputs(question, words, padding, audio, frames)

    def answer(self, found: Inputs, tokens: list[Tensor], noise: Noise | None) -> Tensor:
        """Return logits of tokens [B', ..., D] and the words, all in one sequence."""
        joined = torch.cat([*(x.flatten(1, -2) for x in tokens), found.words], dim=1)
        seen = joined.shape[1] - found.words.shape[1]
        hide = torch.cat([found.padding.new_zeros(len(joined), seen), found.padding], dim=1)
        fused = mean_of_shown(self.join(joined, noise, hide), hide)
        logits: Tensor = self.classify(torch.tanh(fused * found.question))
        return logits


class Network(Released):
    """The network of the paper; its parts are of ``span`` segments each."""

    def __init__(self, model: PstpModel, shapes: Shapes) -> None:
        super().__init__(model, shapes)
        width, rates = model.width, (model.dropout, model.dropout)
        self.span = math.gcd(model.span, shapes.segments)
        self.kept = min(model.parts, shapes.segments // self.span)
        self.regions = min(model.regions, shapes.regions)
        self.select = model.select
        self.project_region = nn.Linear(shapes.visual, width)
        self.part = nn.Linear(2 * width, width)
        self.select_part, self.select_region, self.look = (
            QuestionAttention(
                width, model.heads, attention_dropout=rates[0], dropout=rates[1], name=name
            )
            for name in ("part", "region", "look")
        )
        self.both = FusionLayer(width, 1, model.dropout, "both", hidden=width, others=1)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        assert batch.visual is not None
        found = self.read(batch)
        audio, frames = found.audio, found.frames
        places, factors, weights = self._parts(found, noise)  # [B', S], and [B', T]
        heard, seen = pick(audio, places, factors), pick(frames, places, factors)
        regions = self._regions(batch, found.question, places, factors, noise)
        looked, _ = self.look(heard, regions, noise)  # [B', S, D]
        with_frames = self.both(audio, noise, others=[(frames, None)])
        with_sounds = self.both(frames, again(noise, 1), others=[(with_frames, None)])
        tokens = [heard, with_frames, audio, seen, regions, looked, with_sounds, frames]
        logits = self.answer(found, tokens, noise)
        return Output(logits, temporal={"parts": weights}, features=found.means())

    def _parts(self, found: Inputs, noise: Noise | None) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return the segments of the parts that the question attends to most.

        Returns:
            Their places [B', S] in order, factors [B', S], and the weights over all [B', T].
        """
        means = [x.unflatten(1, (-1, self.span)).mean(dim=2) for x in (found.audio, found.frames)]
        parts = self.part(torch.tanh(torch.cat(means, dim=-1)))
        _, weights = self.select_part(found.question, parts, noise)
        kept, factors = choose(weights, self.kept, self.select)
        within = torch.arange(self.span, device=kept.device)
        places = (kept.unsqueeze(-1) * self.span + within).flatten(1)
        if factors is not None:
            factors = factors.repeat_interleave(self.span, dim=1)
        return places, factors, weights.repeat_interleave(self.span, dim=1) / self.span

    def _regions(
        self,
        batch: Batch,
        question: Tensor,
        places: Tensor,
        factors: Tensor | None,
        noise: Noise | None,
    ) -> Tensor:
        """Return of every chosen frame the regions that the question attends to most.

        Args:
            batch: has the frames.
            question: [B', D].
            places: [B', S] segments.
            factors: [B', S] of those, or None.
            noise: of training.

        Returns:
            [B', S, m, D].
        """
        assert batch.visual is not None
        mine = batch.video[batch.rows] - batch.first_video
        rows = mine.unsqueeze(-1) * batch.visual.shape[1] + places
        maps = self.project_region(batch.visual).flatten(0, 1)
        regions = take(maps, rows.flatten()).unflatten(0, rows.shape)
        if factors is not None:
            regions = regions * factors[..., None, None]
        asking = question.unsqueeze(1).expand(-1, places.shape[1], -1)
        _, weights = self.select_region(asking, regions, noise)
        return pick(regions, *choose(weights, self.regions, self.select))
