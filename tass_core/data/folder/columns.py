"""What may enter a dataset: finite numbers, indices in range, columns of one length."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tass_core.data.folder.records import INDEX_COLUMNS
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.errors import DataError

Array = npt.NDArray[Any]

_LARGE = 2**16

QUESTION_COLUMNS: Mapping[str, Any] = {
    "question_id": pa.int64(),
    "video": pa.int32(),
    "sentence": pa.int32(),
    "answer": pa.int16(),
    "type": pa.int8(),
    "text": pa.string(),
    "answer_text": pa.string(),
    "target": pa.string(),
}


def finite_half(label: str, array: Array, shape: tuple[int | None, ...]) -> Array:
    """Return the array as float16, having the shape (None is any) and finite throughout."""
    array = np.asarray(array)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiu":
        wanted = ", ".join("*" if size is None else str(size) for size in shape)
        raise DataError(f"{label}: [{wanted}] numbers expected, not {array.dtype} {array.shape}")
    try:
        return np.ascontiguousarray(to_half(array))
    except DataError as error:
        raise DataError(f"{label}: {error}") from None


def to_half(array: Array) -> npt.NDArray[np.float16]:
    """Return the array as float16.

    Raises:
        DataError: a value is NaN, infinite or beyond float16.
    """
    half = _round(np.asarray(array))
    # All exponent bits set means not finite; whole-number tests are much faster than isfinite.
    if half.size and int((half.view(np.uint16) & 0x7FFF).max()) >= 0x7C00:
        finite = bool(np.isfinite(array).all())
        raise DataError("values beyond float16's 65504" if finite else "NaN or infinite values")
    return half


def question_table(
    split: str,
    columns: Mapping[str, Sequence[int] | Array],
    text: Sequence[str],
    target: Sequence[str | None] | None,
    answers: Sequence[str],
) -> pa.Table:
    """Return a split's questions as they are stored.

    Raises:
        DataError: the columns differ in length, or an answer or type is out of range.
    """
    numbers = {name: np.asarray(values, dtype=np.int64) for name, values in columns.items()}
    target = [None] * len(text) if target is None else target
    lengths = {name: len(values) for name, values in numbers.items()}
    lengths |= {"text": len(text), "target": len(target)}
    if len(set(lengths.values())) != 1:
        raise DataError(f"questions of {split}: columns of different lengths {lengths}")
    require_range(split, "answer", numbers["answer"], len(answers))
    require_range(split, "type", numbers["type"], len(QUESTION_TYPES))
    values = {**numbers, "text": list(text), "target": list(target)}
    values["answer_text"] = [answers[place] for place in numbers["answer"]]
    return pa.table({name: pa.array(values[name], kind) for name, kind in QUESTION_COLUMNS.items()})


def require_counts(encoder: str, counts: Array, sentences: int, longest: int) -> None:
    """Make sure that every sentence has a word count from 1 to ``longest``."""
    if counts.shape != (sentences,) or (
        counts.size and not 1 <= counts.min() <= counts.max() <= longest
    ):
        raise DataError(f"{encoder}: every sentence has 1 to {longest} words, one count each")


def require_range(split: str, column: str, values: Array, count: int) -> None:
    """Make sure that a column of a split's questions lies from 0 to below ``count``."""
    wrong = np.flatnonzero((values < 0) | (values >= count))
    if wrong.size:
        raise DataError(
            f"questions of {split}: {column} = {values[wrong[0]]} at row {wrong[0]}; "
            f"allowed: 0 to {count - 1}"
        )


def checked_tokens(encoder: str, tokens: Array, vocabulary: int) -> Array:
    """Return tokens as int16 [S, N], every sentence having words and every word a place."""
    tokens = np.asarray(tokens)
    if tokens.ndim != 2 or tokens.dtype.kind not in "iu":
        raise DataError(f"{encoder} tokens: [S, N] whole numbers expected, not {tokens.shape}")
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < min(vocabulary, 2**15):
        raise DataError(
            f"{encoder} tokens: {tokens.min()} to {tokens.max()}, but the vocabulary "
            f"has {vocabulary} words"
        )
    require_counts(encoder, (tokens != 0).sum(axis=1), len(tokens), tokens.shape[1])
    return tokens.astype(np.int16)


def checked_vectors(encoder: str, vectors: Array, vocabulary: int) -> Array:
    """Return word vectors as finite float32 [vocabulary, D_w]."""
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) != vocabulary or not np.isfinite(found).all():
        raise DataError(
            f"{encoder} vectors: [{vocabulary}, D_w] finite numbers expected, not {found.shape}"
        )
    return found


def contents_digest(
    questions: Mapping[str, pa.Table], truth: Mapping[str, tuple[Array, Array]]
) -> str:
    """Return the SHA-256 over what questions and truth say, whatever files hold them.

    Args:
        questions: of every split, in the dataset's order.
        truth: of the same splits; none for real data.
    """
    found = hashlib.sha256()
    for split, table in questions.items():
        for column in INDEX_COLUMNS:
            found.update(table[column].to_numpy().astype("<i8").tobytes())
        found.update(f"|{split}|{len(table)}".encode())
    for split in questions:
        for array in truth.get(split, ()):
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _round(array: Array) -> npt.NDArray[np.float16]:
    if array.dtype == np.float32 and array.size >= _LARGE and array.flags.writeable:
        import torch  # four times as fast as NumPy here, and rounding alike

        return np.asarray(torch.from_numpy(array).half().numpy())
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float16)
