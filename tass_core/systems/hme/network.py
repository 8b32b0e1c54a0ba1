"""HME: two streams of the video and the words, each read twice, remembered and reasoned over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.question import is_padding
from tass_core.systems.blocks.rows import take
from tass_core.systems.blocks.words import mean_frames
from tass_core.systems.hme import HmeModel
from tass_core.systems.hme.layers import AdditiveAttention, States, TwoLayers
from tass_core.systems.hme.memory import QuestionMemory, VisualMemory
from tass_core.systems.hme.reasoning import Reasoning
from tass_core.systems.protocol import TOKENS, Batch, Noise, Output, Shapes

WORD_CHANNELS = 300
"""Width of the word embedding, where the dataset has no word vectors."""


class Network(nn.Module):
    """The network; a stream is the appearance, or the motion."""

    def __init__(self, model: HmeModel, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        self.motion = model.motion
        if model.encoder not in TOKENS:
            self.embedding, channels = None, shapes.text
        else:
            channels = shapes.vectors or WORD_CHANNELS
            self.embedding = nn.Embedding(shapes.vocabulary, channels)
        self.text = TwoLayers(channels, width)
        moving = shapes.audio if model.motion == "audio" else shapes.visual
        self.streams = nn.ModuleList(TwoLayers(size, width) for size in (shapes.visual, moving))
        self.attend = nn.ModuleList(
            AdditiveAttention(2 * width, 2 * width, width) for _ in self.streams
        )
        self.visual_memory = VisualMemory(width, model.slots)
        self.question_memory = QuestionMemory(width, model.slots)
        self.reasoning = Reasoning(model)
        self.readouts = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(3))
        self.classify = nn.Linear(3 * width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        assert batch.word_count is not None
        words, count = self._words(batch), batch.word_count[batch.rows]
        _, question = self.text(words, None, count)
        alone = torch.cat([hidden for hidden, _ in question], dim=-1)
        frames, moving = self._videos(batch)
        videos = [
            stream(values, question)
            for stream, values in zip(self.streams, (frames, moving), strict=True)
        ]
        asked, question = self.text(words, _restart(*(end for _, end in videos)), count)
        summary = torch.cat([hidden for hidden, _ in question], dim=-1)  # s_T
        (appearance, w_visual), (motion, w_motion) = (
            attend(torch.cat(states, dim=-1), summary)
            for attend, (states, _) in zip(self.attend, videos, strict=True)
        )
        reasoned = self.reasoning(
            torch.cat([end[1][0] for _, end in videos], dim=-1),
            self.visual_memory([states[1] for states, _ in videos]),
            self.question_memory(asked[1]),
            is_padding(words, count),
            noise,
        )
        parts = zip(self.readouts, (appearance, motion, reasoned), strict=True)
        read = torch.cat([torch.tanh(layer(part)) for layer, part in parts], dim=-1)
        other = "audio" if self.motion == "audio" else "motion"
        features = {"question": alone, "visual": frames.mean(dim=1)}
        if self.motion == "audio":
            features["audio"] = moving.mean(dim=1)
        return Output(
            self.classify(read), temporal={"visual": w_visual, other: w_motion}, features=features
        )

    def _words(self, batch: Batch) -> Tensor:
        """Return [B', N, C]."""
        if self.embedding is None:
            assert batch.words is not None
            return batch.words[batch.rows]
        assert batch.tokens is not None
        embedded: Tensor = self.embedding(batch.tokens[batch.rows])
        return embedded

    def _videos(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return both streams of the questions' videos [B', T, C]."""
        video, frames = batch.video[batch.rows], mean_frames(batch)
        seen = take(frames, video - batch.first_video)
        if self.motion == "audio":
            return seen, take(batch.audio, video)
        return seen, torch.cat([seen[:, :1] * 0, seen.diff(dim=1)], dim=1)


def _restart(one: States, other: States) -> States:
    """Start the question anew where both streams end: their hidden states, and no cell."""
    return [(h + g, torch.zeros_like(h)) for (h, _), (g, _) in zip(one, other, strict=True)]
