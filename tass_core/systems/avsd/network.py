"""AVSD: what question, sound and frames attend to, read by an LSTM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.randomness import KeyedDropout
from tass_core.systems.avsd import AvsdModel
from tass_core.systems.avsd.attention import FactorGraphAttention
from tass_core.systems.blocks.fusion import mean_of_shown
from tass_core.systems.blocks.lstm import run_lstm
from tass_core.systems.blocks.rows import take
from tass_core.systems.blocks.words import WordStates
from tass_core.systems.protocol import Batch, Noise, Output, Shapes

WORD_CHANNELS = 128
"""Width of the word embedding, where the dataset has no word vectors."""


class Network(nn.Module):
    """The network."""

    def __init__(self, model: AvsdModel, shapes: Shapes) -> None:
        super().__init__()
        width, segments = model.width, shapes.segments
        count = segments if model.shared else min(model.frames, segments)
        self.frames = [round(i * (segments - 1) / max(count - 1, 1)) for i in range(count)]
        self.words = WordStates(model.encoder, shapes, WORD_CHANNELS, width)
        self.project_visual = nn.Linear(shapes.visual, width)
        self.project_audio = nn.Linear(shapes.audio, width)
        views = [count] if model.shared else [1] * count
        self.attention = FactorGraphAttention([1, 1, *views], width, model.dropout)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.drop = KeyedDropout(model.dropout, "answer")
        self.classify = nn.Linear(2 * width, shapes.answers)
        self.shared = model.shared

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        words, padding = self.words(batch)
        audio, visual = self._video(batch)
        views = [visual] if self.shared else list(visual.split(1, dim=1))
        last = torch.zeros_like(words[..., 0]).masked_fill(_is_last(padding), 1.0)
        attended, weights = self.attention(
            [words.unsqueeze(1), audio.unsqueeze(1), *views], padding, last, noise
        )
        question, *others = attended
        state = run_lstm(self.lstm, torch.cat(others, dim=1))[:, -1]
        both = torch.cat([state, question.squeeze(1)], dim=-1)
        whole = len(self.frames) == batch.audio.shape[1]
        return Output(
            self.classify(self.drop(both, noise)),
            torch.cat(weights[2:], dim=1) if whole else None,
            {"audio": weights[1].squeeze(1)},
            features={
                "question": mean_of_shown(words, padding),
                "audio": audio.mean(dim=1),
                "visual": visual.mean(dim=(1, 2)),
            },
        )

    def _video(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sound [B', T, D] and the frames [B', F, P, D] of the questions' videos."""
        assert batch.visual is not None
        video = batch.video[batch.rows]
        visual = self.project_visual(batch.visual[:, self.frames])
        return take(self.project_audio(batch.audio), video), take(visual, video - batch.first_video)


def _is_last(padding: Tensor) -> Tensor:
    """Return [B, N], True at the last word, for padding [B, N]."""
    ends = torch.cat([padding[:, 1:], torch.ones_like(padding[:, :1])], dim=1)
    return ends & ~padding
