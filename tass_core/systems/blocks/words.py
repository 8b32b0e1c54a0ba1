"""The questions as sentences and words, and the frames as one vector each."""

from __future__ import annotations

from torch import Tensor, nn

from tass_core.systems.blocks.lstm import lstm_precision
from tass_core.systems.blocks.question import GloveQuestion, WordLSTM, is_padding, look_up
from tass_core.systems.protocol import TOKENS, Batch, Shapes


class WordStates(nn.Module):
    """An LSTM's states over trained word embeddings, or CLIP's word features, projected.

    Args:
        encoder: one of ``TOKENS`` reads tokens; any other word features.
        shapes: the dataset's. Pretrained word vectors give the embedding their width.
        channels: width of the embedding without them.
        width: D.
    """

    def __init__(self, encoder: str, shapes: Shapes, channels: int, width: int) -> None:
        super().__init__()
        if encoder not in TOKENS:
            self.project = nn.Linear(shapes.text, width)
        else:
            channels = shapes.vectors or channels
            self.embedding = nn.Embedding(shapes.vocabulary, channels)
            self.lstm = WordLSTM(channels, width, batch_first=True)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return [B', N, D] of the owned questions, and [B', N], True at padding."""
        assert batch.word_count is not None
        count = batch.word_count[batch.rows]
        if batch.tokens is None:
            assert batch.words is not None
            states = self.project(batch.words[batch.rows])
        else:
            words, vectors = look_up(self.embedding.weight, batch.tokens[batch.rows])
            with lstm_precision(words):
                states, _, _ = self.lstm(words, count, vectors)
        return states, is_padding(states, count)


class SentenceAndWords(nn.Module):
    """CLIP's sentence and word features, each projected; or one LSTM over trained embeddings.

    Args:
        encoder: one of ``TOKENS`` reads tokens; any other both features.
        shapes: the dataset's. Pretrained word vectors give the embedding their width.
        width: D.
    """

    def __init__(self, encoder: str, shapes: Shapes, width: int) -> None:
        super().__init__()
        if encoder not in TOKENS:
            self.sentence = nn.Linear(shapes.text, width)
            self.word = nn.Linear(shapes.text, width)
        else:
            self.asked = GloveQuestion(shapes.vocabulary, shapes.vectors or width, width)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the owned questions: [B', D], words [B', N, D], and [B', N], True at padding."""
        assert batch.word_count is not None
        if batch.tokens is None:
            assert batch.sentence is not None
            assert batch.words is not None
            question, words = self.sentence(batch.sentence), self.word(batch.words)
        else:
            question, words, _ = self.asked.read(batch)
        padding = is_padding(words, batch.word_count)
        return question[batch.rows], words[batch.rows], padding[batch.rows]


def mean_frames(batch: Batch) -> Tensor:
    """Return [U', T, C], the mean over the regions of every frame."""
    assert batch.visual is not None
    return batch.visual.mean(dim=-2)
