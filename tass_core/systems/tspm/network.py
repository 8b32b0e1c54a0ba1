"""TSPM: seconds that a prompt picks, and the sound's tokens in their frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.blocks.fusion import FusionLayer
from tass_core.systems.blocks.question import question_encoder
from tass_core.systems.blocks.rows import again, take
from tass_core.systems.blocks.selection import choose, pick
from tass_core.systems.blocks.words import mean_frames
from tass_core.systems.protocol import TOKENS, Batch, Noise, Output, Shapes
from tass_core.systems.tspm import TspmModel


class Network(nn.Module):
    """The network."""

    def __init__(self, model: TspmModel, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        clip = model.encoder not in TOKENS
        self.count, self.how = min(model.segments, shapes.segments), model.select
        self.question = question_encoder(model.encoder, shapes, width)
        self.prompt = nn.Linear(shapes.text if clip else width, width)
        self.project_audio = nn.Linear(shapes.audio, width)
        self.project_frame = nn.Linear(shapes.visual, width)
        self.project_region = nn.Linear(shapes.visual, width)
        self.both = FusionLayer(width, 1, model.dropout, "both", hidden=width, others=1)
        self.tokens = FusionLayer(width, 1, model.dropout, "tokens", hidden=width)
        self.select, self.look, self.ask = (
            QuestionAttention(
                width,
                model.heads,
                attention_dropout=model.dropout,
                dropout=model.dropout,
                name=name,
            )
            for name in ("select", "look", "ask")
        )
        self.fusion = nn.Linear(6 * width, width)
        self.classify = nn.Linear(width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        assert batch.visual is not None
        video = batch.video[batch.rows]
        mine = video - batch.first_video
        asked = self.question(batch)[0]
        prompt = self.prompt(asked if batch.sentence is None else batch.sentence)[batch.rows]
        question = asked[batch.rows]
        audio = take(self.project_audio(batch.audio), video)  # [B', T, D]
        frames = take(self.project_frame(mean_frames(batch)), mine)
        heard = self.both(audio, noise, others=[(frames, None)])
        seen = self.both(frames, again(noise, 1), others=[(audio, None)])
        _, weights = self.select(prompt, frames, noise)
        places, factors = choose(weights, self.count, self.how)
        sounds = pick(audio, places, factors)  # [B', k, D]
        tokens = self._tokens(batch.visual, mine, places, factors, noise)
        looked, _ = self.look(sounds, tokens, noise)  # [B', k, D]
        u_a, _ = self.ask(question, sounds, noise)
        u_v, _ = self.ask(question, looked, again(noise, 1))
        means = [x.mean(dim=1) for x in (heard, sounds, seen, looked)]
        parts = [u_a, means[0], means[1], u_v, means[2], means[3]]
        fused = self.fusion(torch.tanh(torch.cat(parts, dim=-1)))
        logits = self.classify(torch.tanh(fused * question))
        features = {"question": question, "audio": audio.mean(dim=1), "visual": frames.mean(dim=1)}
        return Output(logits, temporal={"visual": weights}, features=features)

    def _tokens(
        self,
        visual: Tensor,
        mine: Tensor,
        places: Tensor,
        factors: Tensor | None,
        noise: Noise | None,
    ) -> Tensor:
        """Return the regions of the chosen frames, after they attended to each other.

        Args:
            visual: [U', T, P, C].
            mine: [B'] the questions' videos among them.
            places: [B', k].
            factors: [B', k], or None.
            noise: of training.

        Returns:
            [B', k, P, D].
        """
        rows = mine.unsqueeze(-1) * visual.shape[1] + places
        regions = self.project_region(visual).flatten(0, 1)
        tokens = take(regions, rows.flatten()).unflatten(0, rows.shape)
        if factors is not None:
            tokens = tokens * factors[..., None, None]
        found: Tensor = self.tokens(tokens, noise)
        return found
