"""The question: its feature f_q and the target feature f_tgt (sections 3.2 and 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tass_core.config import Target
from tass_core.model.inputs import Batch
from tass_core.model.precision import lstm_precision


class ClipQuestion(nn.Module):
    """CLIP's frozen sentence feature, projected to the network's width."""

    def __init__(self, channels: int, width: int, target: Target) -> None:
        super().__init__()
        self.project = nn.Linear(channels, width)
        self.target = None if target == "sentence" else WordTarget(width, target)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return f_q and f_tgt, both [B, D]."""
        assert batch.sentence is not None
        question = self.project(batch.sentence)
        if self.target is None:
            return question, question
        assert batch.words is not None
        assert batch.word_count is not None
        words = self.project(batch.words)
        return question, self.target(question, words, batch.word_count.to(words.device))


class GloveQuestion(nn.Module):
    """Word embeddings through an LSTM; f_q is a layer on its last hidden and cell state."""

    def __init__(
        self, vocabulary: int, width: int, target: Target, vectors: Tensor | None = None
    ) -> None:
        super().__init__()
        channels = width if vectors is None else vectors.shape[-1]
        self.embedding = nn.Embedding(vocabulary, channels)
        self.lstm = WordLSTM(channels, width, batch_first=True)
        self.project = nn.Linear(2 * width, width)
        self.target = None if target == "sentence" else WordTarget(width, target)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return f_q and f_tgt, both [B, D]."""
        assert batch.tokens is not None
        assert batch.word_count is not None
        embedded = torch.tanh(self.embedding(batch.tokens))
        with lstm_precision(embedded):
            words, hidden, cell = self.lstm(embedded, batch.word_count)
        question = self.project(torch.tanh(torch.cat([hidden, cell], dim=-1)))
        if self.target is None:
            return question, question
        return question, self.target(question, words, batch.word_count.to(words.device))


class WordLSTM(nn.LSTM):
    """An LSTM that stops at each question's last word."""

    def forward(  # type: ignore[override]
        self, words: Tensor, word_count: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states [B, N, D], 0 at padding, and the last hidden and cell state [B, D].

        Args:
            words: [B, N, C].
            word_count: [B] int64, on the CPU.
        """
        packed = pack_padded_sequence(words, word_count, batch_first=True, enforce_sorted=False)
        states, (hidden, cell) = super().forward(packed)
        padded, _ = pad_packed_sequence(states, batch_first=True, total_length=words.shape[1])
        return padded, hidden[0], cell[0]


class WordTarget(nn.Module):
    """The target as the question's attention over its words, then two layers.

    ``word_argmax`` keeps the most attended word alone, as the public code does; its argmax
    gives the attention no gradient. ``word_soft`` keeps the weighted mean.
    """

    def __init__(self, width: int, target: Target) -> None:
        super().__init__()
        self.hard = target == "word_argmax"
        self.query = nn.Linear(width, width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, question: Tensor, words: Tensor, word_count: Tensor) -> Tensor:
        """Return f_tgt [B, D] from question [B, D], words [B, N, D] and counts [B]."""
        scores = (words @ self.query(question).unsqueeze(-1)).squeeze(-1)
        padding = torch.arange(words.shape[1], device=words.device) >= word_count.unsqueeze(-1)
        scores = (scores / math.sqrt(words.shape[-1])).masked_fill(padding, -math.inf)
        if self.hard:
            chosen = scores.argmax(dim=-1)
            target = words[torch.arange(len(words), device=words.device), chosen]
        else:
            target = (scores.softmax(dim=-1).unsqueeze(1) @ words).squeeze(1)
        result: Tensor = self.second(torch.relu(self.first(target)))
        return result
