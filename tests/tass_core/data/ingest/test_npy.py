"""Shapes of ``.npy`` files: which layout they are, and maps brought into the dataset's order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tass_core.data.ingest.npy import arrange, read_array, recognise
from tass_core.errors import DataError


@pytest.mark.parametrize(
    ("shape", "axes", "grid", "channels", "token"),
    [
        ((60, 512, 14, 14), "TCHW", (14, 14), 512, False),
        ((60, 14, 14, 512), "THWC", (14, 14), 512, False),
        ((60, 2048, 7, 7), "TCHW", (7, 7), 2048, False),
        ((60, 512, 9, 16), "TCHW", (9, 16), 512, False),
        ((10, 50, 512), "TPC", (7, 7), 512, True),
        ((10, 49, 2048), "TPC", (7, 7), 2048, False),
        ((10, 2048, 49), "TCP", (7, 7), 2048, False),
        ((10, 14, 1024), "TPC", (1, 14), 1024, False),
        ((60, 768), "TC", (1, 1), 768, False),
    ],
)
def test_shape_tells_the_layout(shape, axes, grid, channels, token):
    found = recognise(shape)
    assert (found.axes, found.grid, found.channels, found.class_token) == (
        axes,
        grid,
        channels,
        token,
    )


@pytest.mark.parametrize("shape", [(60,), (1, 2, 3, 4, 5), (60, 7, 7, 7), (60, 0, 14, 14)])
def test_shape_that_tells_nothing_is_refused(shape):
    with pytest.raises(DataError, match="shape"):
        recognise(shape)


sides = st.integers(2, 6)


@given(segments=st.integers(1, 3), height=sides, width=sides)
def test_either_order_of_axes_gives_the_same_regions(segments, height, width):
    channels = 7
    last = np.random.default_rng(0).random((segments, height, width, channels), np.float32)
    first = last.transpose(0, 3, 1, 2).copy()
    regions = arrange(last, recognise(last.shape))
    np.testing.assert_array_equal(arrange(first, recognise(first.shape)), regions)
    assert regions.shape == (segments, height * width, channels)
    np.testing.assert_array_equal(regions[:, width + 1], last[:, 1, 1].astype(np.float16))


def test_class_token_is_dropped():
    tokens = np.arange(50.0)[None, :, None] * np.ones((1, 1, 512))
    regions = arrange(tokens, recognise(tokens.shape))
    np.testing.assert_array_equal(regions[0, :, 0], np.arange(1.0, 50.0))


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_the_format_are_read(tmp_path, version):
    array = np.random.default_rng(0).random((2, 3))
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), array)
