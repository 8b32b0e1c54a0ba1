"""CONVLSTM: convolutions and LSTMs, whose last states are read together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.lstm import lstm_precision, run_lstm
from tass_core.systems.blocks.question import WordLSTM, look_up
from tass_core.systems.blocks.rows import take
from tass_core.systems.blocks.words import mean_frames
from tass_core.systems.convlstm import ConvLstmModel
from tass_core.systems.protocol import TOKENS, Batch, Noise, Output, Shapes

WORD_CHANNELS = 256
"""Width of the word embedding, where the dataset has no word vectors."""
MOST_FILTERS = 512


class Network(nn.Module):
    """The network; what does not depend on the question is computed once a video."""

    def __init__(self, model: ConvLstmModel, shapes: Shapes) -> None:
        super().__init__()
        width, layers, visual = model.width, model.layers, "v" in model.inputs
        self.convolve, channels = _convolutions(model, shapes.audio)
        self.hear = nn.LSTM(channels, width, layers, batch_first=True)
        self.see = nn.LSTM(shapes.visual, width, layers, batch_first=True) if visual else None
        if model.encoder not in TOKENS:
            self.project = nn.Linear(shapes.text, width)
        else:
            channels = shapes.vectors or WORD_CHANNELS
            self.embedding = nn.Embedding(shapes.vocabulary, channels)
            sizes = [channels, *[width] * (layers - 1)]
            self.read = nn.ModuleList(WordLSTM(size, width, batch_first=True) for size in sizes)
        self.hidden = nn.Linear((3 if visual else 2) * width, 2 * width)
        self.classify = nn.Linear(2 * width, shapes.answers)

    def forward(self, batch: Batch, _noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        video = batch.video[batch.rows]
        parts = {"audio": take(run_lstm(self.hear, self.convolve(batch.audio))[:, -1], video)}
        if self.see is not None:
            seen = run_lstm(self.see, mean_frames(batch))[:, -1]
            parts["visual"] = take(seen, video - batch.first_video)
        parts["question"] = self._question(batch)
        hidden = torch.relu(self.hidden(torch.cat([*parts.values()], dim=-1)))
        return Output(self.classify(hidden), features=parts)

    def _question(self, batch: Batch) -> Tensor:
        """Return h_q [B', D]."""
        if batch.tokens is None:
            assert batch.sentence is not None
            last: Tensor = self.project(batch.sentence[batch.rows])
            return last
        assert batch.word_count is not None
        states, vectors = look_up(self.embedding.weight, batch.tokens[batch.rows])
        with lstm_precision(states):
            for lstm in self.read:
                states, last, _ = lstm(states, batch.word_count[batch.rows], vectors)
                vectors = None
        return last


def _convolutions(model: ConvLstmModel, channels: int) -> tuple[nn.Module, int]:
    """Return what turns sound [U, T, C_a] into [U, T, C], and C."""
    if model.convolution == "image":
        image = ImageConvolutions(model.filters, model.blocks)
        return image, image.channels(channels)
    return TimeConvolutions(
        channels, [model.width // 4, model.width // 2, model.width]
    ), model.width


class ImageConvolutions(nn.Module):
    """Blocks of two 3x3 convolutions over time and channels, which halve the channels alone.

    Each is normalised over its own sample: with the published network's batch statistics an
    answer would depend on the rest of the batch, and on how workers share it.
    """

    def __init__(self, filters: int, blocks: int) -> None:
        super().__init__()
        sizes = [min(filters * 2**block, MOST_FILTERS) for block in range(blocks)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *_step(nn.Conv2d(before, size, 3, padding=1)),
                *_step(nn.Conv2d(size, size, 3, padding=1)),
                nn.MaxPool2d((1, 2), ceil_mode=True),
            )
            for before, size in zip([1, *sizes], sizes, strict=False)
        )
        self.filters: int = sizes[-1]

    def channels(self, before: int) -> int:
        """Return the channels that are left of ``before``."""
        for _ in range(len(self.blocks)):
            before = -(-before // 2)
        return before * self.filters

    def forward(self, audio: Tensor) -> Tensor:
        """Return [U, T, C] for sound [U, T, C_a]."""
        image = audio.unsqueeze(1)
        for block in self.blocks:
            image = block(image)
        return image.transpose(1, 2).flatten(2)


class TimeConvolutions(nn.Module):
    """Convolutions over three segments each."""

    def __init__(self, channels: int, sizes: list[int]) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            *(
                layer
                for before, size in zip([channels, *sizes], sizes, strict=False)
                for layer in _step(nn.Conv1d(before, size, 3, padding=1))
            )
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Return [U, T, C] for sound [U, T, C_a]."""
        found: Tensor = self.steps(audio.transpose(1, 2))
        return found.transpose(1, 2)


def _step(convolution: nn.Conv1d | nn.Conv2d) -> tuple[nn.Module, ...]:
    return convolution, nn.GroupNorm(1, convolution.out_channels), nn.ReLU()
