"""Rows read into a kept buffer."""

import numpy as np
import pytest
import torch

from tass_core.batches.readers import HostFrames, RowReader

FEATURES = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float16)


def test_rows_are_those_asked_for_in_float32():
    reader = RowReader(FEATURES)
    rows = np.array([4, 0, 0, 5])
    found = reader.read(rows)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, FEATURES[rows].astype(np.float32))


def test_bfloat16_is_rounded_once():
    found = RowReader(FEATURES, torch.bfloat16).read(np.arange(6))
    assert torch.equal(found, torch.from_numpy(FEATURES).float().to(torch.bfloat16))


def test_a_result_stays_until_the_next_call():
    reader = RowReader(FEATURES)
    first = reader.read(np.array([1]))
    np.testing.assert_array_equal(first, FEATURES[[1]])
    reader.read(np.array([2]))
    np.testing.assert_array_equal(first, FEATURES[[2]])


def test_larger_and_smaller_requests_follow_each_other():
    reader = RowReader(FEATURES)
    for count in (1, 6, 2):
        rows = np.arange(count)
        np.testing.assert_array_equal(reader.read(rows), FEATURES[rows])


@pytest.mark.parametrize("mapped", [True, False])
def test_expected_rows_are_read_as_any(tmp_path, mapped):
    path = tmp_path / "features.npy"
    np.save(path, FEATURES)
    frames = HostFrames(np.load(path, mmap_mode="r" if mapped else None))
    reader, rows = frames.reader(torch.float32), [np.array([5, 2]), np.array([1])]
    read = frames.batches(2, lambda step: reader.read(rows[step]).clone(), lambda step: rows[step])
    for found, wanted in zip(read, rows, strict=True):
        np.testing.assert_array_equal(found, FEATURES[wanted])


def test_single_segments_are_picked_in_float32():
    videos, segments = np.array([[5, 0], [2, 2]]), np.array([[1, 0], [2, 1]])
    found = RowReader(FEATURES, torch.bfloat16).pick(videos, segments)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, FEATURES[videos, segments])
