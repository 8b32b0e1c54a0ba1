"""Rows read into kept buffers."""

import numpy as np
import torch

from tass_core.data.reading import RowReader

FEATURES = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float16)


def test_rows_are_those_asked_for_in_float32():
    reader = RowReader(FEATURES)
    rows = np.array([4, 0, 0, 5])
    found = reader.read(rows)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, FEATURES[rows].astype(np.float32))


def test_results_stay_until_as_many_calls_later():
    reader = RowReader(FEATURES, buffers=2)
    first = reader.read(np.array([1]))
    reader.read(np.array([2]))
    np.testing.assert_array_equal(first, FEATURES[[1]])
    reader.read(np.array([3]))
    np.testing.assert_array_equal(first, FEATURES[[3]])


def test_larger_and_smaller_requests_follow_each_other():
    reader = RowReader(FEATURES, buffers=1)
    for count in (1, 6, 2):
        rows = np.arange(count)
        np.testing.assert_array_equal(reader.read(rows), FEATURES[rows])
