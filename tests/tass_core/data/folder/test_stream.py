"""Rows written past HDF5 and arrays read block by block."""

import hashlib

import h5py
import numpy as np
import pytest

from tass_core.data.folder.stream import ArrayStream, sha256_array, sha256_file

SHAPES = {"audio": (3, 128), "clip/visual": (3, 4, 5)}


def rows(count):
    source = np.random.default_rng(0)
    return [
        {name: source.random(shape).astype(np.float16) for name, shape in SHAPES.items()}
        for _ in range(count)
    ]


@pytest.mark.parametrize("capacity", [6, 7, 50])
def test_hdf5_reads_the_rows_that_came(tmp_path, capacity):
    path, written = tmp_path / "features.h5", rows(6)
    stream = ArrayStream(path, SHAPES, capacity)
    for row in written:
        stream.append(row)
    sums = stream.finish()
    with h5py.File(path) as store:
        for name in SHAPES:
            whole = np.stack([row[name] for row in written])
            np.testing.assert_array_equal(store[name][()], whole)
            assert sums[name] == sha256_array(store[name])
            assert sums[name] == hashlib.sha256(whole.tobytes()).hexdigest()
    assert [item.name for item in tmp_path.iterdir()] == ["features.h5"]


def test_every_block_is_seen_once_and_in_order():
    array = np.arange(3 * 2**20 * 9, dtype=np.int8).reshape(9, -1)  # 27 MiB: several blocks
    seen = []
    found = sha256_array(array, lambda start, block: seen.append((start, block.copy())))
    assert found == hashlib.sha256(array.tobytes()).hexdigest()
    assert len(seen) > 1
    assert [start for start, _block in seen] == list(
        np.cumsum([0, *(len(block) for _start, block in seen[:-1])])
    )
    np.testing.assert_array_equal(np.concatenate([block for _start, block in seen]), array)


def test_file_of_several_blocks_has_the_sum_of_its_bytes(tmp_path):
    content = bytes(range(256)) * (2**16 + 1)
    (tmp_path / "file").write_bytes(content)
    assert sha256_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()
