"""The words of the questions: tokens of a small vocabulary, and CLIP-like text features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tass_core.data.questions import INSTRUMENTS, PLACEHOLDER, SLOTS, TEMPLATES
from tass_core.data.world.prototypes import Prototypes

PADDING = "<pad>"

FUNCTION_WORDS = frozenset(
    "a an and are as at did does do from in is it makes of on than that the there this to was were "
    "which what where how many video entire musical instrument instruments kind".split()
)
"""Words that say little on their own and weigh little in a sentence's feature."""

_WORD = re.compile(r"[a-z_']+")


def split_words(text: str) -> list[str]:
    """Return the words of a question in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def build_vocabulary(texts: Sequence[str] = ()) -> tuple[str, ...]:
    """Return padding and every word of the templates, their values and ``texts``, sorted."""
    words = {
        word for _, content in TEMPLATES for word in split_words(PLACEHOLDER.sub(" ", content))
    }
    words |= {word for values in SLOTS.values() for value in values for word in split_words(value)}
    words |= {word for text in texts for word in split_words(text)}
    return (PADDING, *sorted(words))


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


def read_sentences(texts: Sequence[str]) -> Sentences:
    """Split every distinct text into tokens."""
    distinct = tuple(sorted(set(texts)))
    vocabulary = build_vocabulary(distinct)
    place = {word: index for index, word in enumerate(vocabulary)}
    words = [[place[word] for word in split_words(text)] for text in distinct]
    tokens = np.zeros((len(words), max(map(len, words))), np.int16)
    for row, found in enumerate(words):
        tokens[row, : len(found)] = found
    return Sentences(distinct, vocabulary, tokens)


def embed_words(sentences: Sentences, prototypes: Prototypes) -> npt.NDArray[np.float32]:
    """Return word features [S, N, D_t]: instruments near their image prototypes."""
    table = np.stack([prototypes.word(word) for word in sentences.vocabulary])
    table[0] = 0
    features: npt.NDArray[np.float32] = table[sentences.tokens].astype(np.float32)
    return features


def embed_sentences(sentences: Sentences, prototypes: Prototypes) -> npt.NDArray[np.float32]:
    """Return sentence features [S, D_t], normalised to a root mean square of one half.

    A sentence is the weighted sum of its words, where instruments and places are modulated by
    their rank among the sentence's content words, as a text encoder's sentence feature tells
    "is the violin louder than the piano" from its converse.
    """
    rows = []
    for tokens in sentences.tokens:
        words = [sentences.vocabulary[token] for token in tokens if token]
        rows.append(_embed(words, prototypes))
    stacked = np.stack(rows)
    norms = np.linalg.norm(stacked, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float32] = (2.5 * np.sqrt(stacked.shape[1]) * stacked / norms).astype(
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
