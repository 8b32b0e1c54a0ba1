"""Questions as words: the vocabulary, the tokens, and pretrained GloVe vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tass_core.config import digest
from tass_core.errors import DataError

PADDING = "<pad>"
UNKNOWN = "<unk>"
LONGEST = 14
"""Words of MUSIC-AVQA's longest question, and the length the public code pads to."""

_log = logging.getLogger(__name__)


def split_words(text: str) -> list[str]:
    """Return a question's words as the public code does: by spaces, without the final mark."""
    return text.rstrip("? ").split()


def build_vocabulary(texts: Iterable[str], others: Iterable[str] = ()) -> tuple[str, ...]:
    """Return padding and the words of the training questions, in alphabetical order.

    ``<unk>`` is added only when the other questions have words of their own; over all of
    MUSIC-AVQA's questions there are 93 entries.

    Args:
        texts: the training questions.
        others: the questions of the other splits.
    """
    words = {word for text in texts for word in split_words(text)}
    unknown = {word for text in others for word in split_words(text)} - words
    if unknown:
        _log.info("%d words occur in no training question: %s", len(unknown), sorted(unknown))
    return (PADDING, *([UNKNOWN] if unknown else []), *sorted(words))


def tokenise(texts: Sequence[str], vocabulary: Sequence[str]) -> npt.NDArray[np.int16]:
    """Return places in the vocabulary, 0 beyond a question's end: [S, N], N at least 14.

    Raises:
        DataError: a question has no words.
    """
    places = {word: place for place, word in enumerate(vocabulary)}
    split = [split_words(text) for text in texts]
    tokens = np.zeros((len(texts), max([LONGEST, *map(len, split)])), dtype=np.int16)
    for row, words in enumerate(split):
        if not words:
            raise DataError(f"question '{texts[row]}' has no words")
        tokens[row, : len(words)] = [places.get(word, places.get(UNKNOWN, 0)) for word in words]
    return tokens


def read_vectors(
    path: Path, vocabulary: Sequence[str]
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Read the vocabulary's vectors from a GloVe text file, or from an array of them.

    A word that the file lacks is looked up in lower case, then as the mean of its parts
    ("acoustic_guitar"); what is still missing gets small random numbers that depend on the
    word alone.

    Args:
        path: one word and its numbers a line (a first line with the two counts is passed over), or
            a ``.npy`` file [words, D_w], whose words are the one ``.parquet`` file beside it.
        vocabulary: padding first.

    Returns:
        [vocabulary, D_w] with zeros for padding, and the words that were not found.

    Raises:
        DataError: a file is missing, neither of both, or its numbers and words do not fit.
    """
    wanted = {part for word in vocabulary[1:] for part in _spellings(word)}
    found, width = (_pick if path.suffix == ".npy" else _scan)(path, wanted)
    vectors = np.zeros((len(vocabulary), width), dtype=np.float32)
    scale = float(np.std(list(found.values()))) if found else 0.1
    missing = []
    for place, word in enumerate(vocabulary[1:], start=1):
        vector = _look_up(word, found)
        if vector is None:
            missing.append(word)
            seed = int(digest(word)[:8], 16)
            vector = np.random.default_rng(seed).normal(scale=scale, size=width)
        vectors[place] = vector
    return vectors, tuple(missing)


def _spellings(word: str) -> list[str]:
    return [word, word.lower(), *word.lower().split("_")]


def _look_up(word: str, found: dict[str, Any]) -> Any:
    for spelling in (word, word.lower()):
        if spelling in found:
            return found[spelling]
    parts = word.lower().split("_")
    if len(parts) > 1 and all(part in found for part in parts):
        return np.mean([found[part] for part in parts], axis=0)
    return None


def _pick(path: Path, wanted: set[str]) -> tuple[dict[str, Any], int]:
    """Read the rows of the wanted words; the array is not read as a whole."""
    lists = sorted(path.parent.glob("*.parquet"))
    if len(lists) != 1:
        raise DataError(
            f"{path}: {len(lists)} .parquet files lie beside it; its words are one such file of "
            "one column, in the order of its rows"
        )
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        words = pq.read_table(lists[0])[0].to_pylist()
    except (OSError, ValueError, IndexError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} and {lists[0].name}: cannot be read ({reason})") from None
    if array.ndim != 2 or len(array) != len(words) or array.dtype.kind != "f":
        raise DataError(f"{path}: {array.dtype} {array.shape} for {len(words)} words")
    found = {word: array[row].astype(float) for row, word in enumerate(words) if word in wanted}
    if not all(np.isfinite(vector).all() for vector in found.values()):
        raise DataError(f"{path}: NaN or infinite numbers")
    return found, array.shape[1]


def _scan(path: Path, wanted: set[str]) -> tuple[dict[str, Any], int]:
    """Read the lines of the wanted words; the file may be many gigabytes."""
    found: dict[str, Any] = {}
    width = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                parts = line.rstrip().split(" ")
                if number == 1 and len(parts) == 2:
                    continue
                width = width or len(parts) - 1
                # Some words of the largest file hold spaces: the numbers count from the end.
                word = " ".join(parts[:-width]) if width else ""
                if not width or not word:
                    raise DataError(
                        f"{path}: line {number} is no word with {width or 'its'} numbers; "
                        "give a GloVe text file, for instance glove.6B.300d.txt (unzipped)"
                    )
                if word in wanted:
                    found[word] = _numbers(path, number, parts[-width:])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file; unzip it first") from None
    if not width:
        raise DataError(f"{path}: the file is empty")
    return found, width


def _numbers(path: Path, number: int, parts: list[str]) -> npt.NDArray[np.float64]:
    try:
        values = np.array([float(part) for part in parts])
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise DataError(f"{path}: line {number} holds something that is no number")
    return values
