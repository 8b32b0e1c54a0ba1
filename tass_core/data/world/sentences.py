"""The words of the questions: tokens of a small vocabulary, and CLIP-like text features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, SLOTS
from tass_core.data.music_avqa.words import build_vocabulary, split_words, tokenise
from tass_core.data.world.prototypes import Prototypes

FUNCTION_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "did", "do", "does", "entire", "from", "how"),
        *("in", "instrument", "instruments", "is", "it", "kind", "makes", "many", "musical"),
        *("of", "on", "than", "that", "the", "there", "this", "to", "video", "was", "were"),
        *("what", "where", "which"),
    )
)
"""Words that say little on their own and weigh little in a sentence's feature."""

SCALE = 2.5
"""Root mean square of a sentence's feature."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """The distinct questions of a dataset in both encoders' forms."""

    texts: tuple[str, ...]
    vocabulary: tuple[str, ...]
    tokens: npt.NDArray[np.int16]
    """[S, N] places in the vocabulary; 0 is padding."""

    @property
    def counts(self) -> npt.NDArray[np.int16]:
        """[S] words of each sentence."""
        counts: npt.NDArray[np.int16] = (self.tokens != 0).sum(axis=1).astype(np.int16)
        return counts


def read_sentences(training: Sequence[str], others: Sequence[str]) -> Sentences:
    """Split every distinct text into tokens; the vocabulary is the training questions'."""
    distinct = tuple(sorted({*training, *others}))
    vocabulary = build_vocabulary(training, others)
    return Sentences(distinct, vocabulary, tokenise(distinct, vocabulary))


def embed_words(sentences: Sentences, prototypes: Prototypes) -> npt.NDArray[np.float32]:
    """Return word features [S, N, D_t]: instruments near their image prototypes."""
    table = np.stack([prototypes.word(word.lower()) for word in sentences.vocabulary])
    table[0] = 0
    features: npt.NDArray[np.float32] = table[sentences.tokens].astype(np.float32)
    return features


def embed_sentences(sentences: Sentences, prototypes: Prototypes) -> npt.NDArray[np.float32]:
    """Return sentence features [S, D_t], normalised to a root mean square of ``SCALE``.

    A sentence is the weighted sum of its words, where instruments and places are modulated by
    their rank among the sentence's content words, as a text encoder's sentence feature tells
    "is the violin louder than the piano" from its converse.
    """
    stacked = np.stack([_embed(split_words(text.lower()), prototypes) for text in sentences.texts])
    norms = np.linalg.norm(stacked, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float32] = (SCALE * np.sqrt(stacked.shape[1]) * stacked / norms).astype(
        np.float32
    )
    return scaled


def _embed(words: list[str], prototypes: Prototypes) -> npt.NDArray[np.float64]:
    total = 0.5 * prototypes.sentence_offset
    ranks = dict.fromkeys(("instrument", "side"), 0)
    for word in words:
        vector = prototypes.word(word)
        kind = "instrument" if word in INSTRUMENTS else "side"
        if word in INSTRUMENTS or word in SLOTS["<LR>"]:
            total += 1.5 * vector * prototypes.rank_gate(ranks[kind])
            ranks[kind] += 1
        else:
            total += (0.3 if word in FUNCTION_WORDS else 1.3) * vector
    return total
