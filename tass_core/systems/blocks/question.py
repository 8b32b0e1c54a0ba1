"""The question: its feature f_q, and f_tgt, the feature of what it asks about.

By default both are the same. A ``target`` module makes the second of the question's words: it
takes the question [B, D], its words [B, N, D] and their counts [B], and returns [B, D].
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.blocks.lstm import lstm_precision
from tass_core.systems.protocol import TOKENS, Batch, Shapes

# cuDNN joins the marked weights (WordLSTM) at every call; they are small.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")

SATURATED = 1e4
"""So far from zero a gate is shut, or open, to the last bit, whatever else it adds up."""


def question_encoder(
    encoder: str, shapes: Shapes, width: int, target: nn.Module | None = None
) -> nn.Module:
    """Return what turns a batch's questions into f_q and f_tgt, both [B, D].

    Args:
        encoder: one of ``TOKENS`` reads tokens; any other sentence features.
        shapes: the dataset's.
        width: D.
        target: makes f_tgt of the words.
    """
    if encoder not in TOKENS:
        return ClipQuestion(shapes.text, width, target)
    return GloveQuestion(shapes.vocabulary, shapes.vectors or width, width, target)


class ClipQuestion(nn.Module):
    """CLIP's frozen sentence feature, projected to the network's width."""

    def __init__(self, channels: int, width: int, target: nn.Module | None = None) -> None:
        super().__init__()
        self.project = nn.Linear(channels, width)
        self.target = target

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return f_q and f_tgt, both [B, D]."""
        assert batch.sentence is not None
        question = self.project(batch.sentence)
        if self.target is None:
            return question, question
        assert batch.words is not None
        return question, self.target(question, self.project(batch.words), batch.word_count)


class GloveQuestion(nn.Module):
    """Word embeddings through an LSTM; f_q is a layer on its last hidden and cell state."""

    def __init__(
        self, vocabulary: int, channels: int, width: int, target: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, channels)
        self.lstm = WordLSTM(channels, width, batch_first=True)
        self.project = nn.Linear(2 * width, width)
        self.target = target

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return f_q and f_tgt, both [B, D]."""
        question, words, _ = self.read(batch)
        if self.target is None:
            return question, question
        return question, self.target(question, words, batch.word_count)

    def read(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return f_q [B, D], the words' states [B, N, D] and the last cell state [B, D]."""
        assert batch.tokens is not None
        assert batch.word_count is not None
        with lstm_precision(self.embedding.weight):
            embedded, vectors = look_up(torch.tanh(self.embedding.weight), batch.tokens)
            words, hidden, cell = self.lstm(embedded, batch.word_count, vectors)
        return self.project(torch.tanh(torch.cat([hidden, cell], dim=-1))), words, cell


class WordLSTM(nn.LSTM):
    """An LSTM whose cell stands still after each question's last word.

    Padding carries a mark whose weights shut the input gate and hold the forget gate open. To
    pack the words does the same by a way through torch that takes twice as long on a CPU
    and reads the counts on a GPU's host.
    """

    def forward(  # type: ignore[override]
        self, words: Tensor, word_count: Tensor, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states [B, N, D], 0 at padding, and the last hidden and cell state [B, D].

        Args:
            words: [B, N, C], or with ``vectors`` one-hot [B, N, V].
            word_count: [B] int64, at least 1.
            vectors: [V, C] of a vocabulary narrower than they are (``look_up``).
        """
        padding = is_padding(words, word_count).unsqueeze(-1)
        marked = torch.cat([words, padding.to(words.dtype)], dim=-1)
        marks = words.new_zeros(4, self.hidden_size, 1)
        input_gate, forget_gate, _, _ = marks
        input_gate.fill_(-SATURATED)
        forget_gate.fill_(SATURATED)
        w_words: Tensor
        w_words, *others = self.parameters()
        if vectors is not None:
            w_words = w_words @ vectors.T
        weights = [torch.cat([w_words, marks.flatten(0, 1)], dim=-1), *others]
        start = 2 * (words.new_zeros(1, len(words), self.hidden_size),)
        states, _, cell = torch.lstm(
            marked, start, weights, True, 1, 0.0, self.training, False, True
        )
        last = states[torch.arange(len(states), device=states.device), word_count - 1]
        return states.masked_fill(padding, 0.0), last, cell[0]


def look_up(vectors: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return what a ``WordLSTM`` takes for the words and the vectors of tokens [B, N].

    Of a vocabulary [V, C] narrower than its vectors the words are one-hot [B, N, V]: to multiply
    W by each word of the vocabulary once is less than by every word of a batch. Of any other
    they are the vectors [B, N, C] themselves.
    """
    if len(vectors) < vectors.shape[1]:
        return functional.one_hot(tokens, len(vectors)).to(vectors.dtype), vectors
    return functional.embedding(tokens, vectors), None


def is_padding(words: Tensor, word_count: Tensor) -> Tensor:
    """Return [B, N], True after the last of ``word_count`` [B] words [B, N, C]."""
    return torch.arange(words.shape[1], device=words.device) >= word_count.unsqueeze(-1)
