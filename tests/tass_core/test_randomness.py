"""Random numbers by key: uniform, independent, and the same however rows are split."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tass_core.randomness import KeyedDropout, derive_seed, keyed_uniform, noise_key
from tass_core.systems.protocol import Noise

ROWS = torch.arange(200)


def test_numbers_are_uniform_and_rows_and_columns_independent():
    drawn = keyed_uniform(noise_key(0, 1, 0), ROWS, 400).double()
    assert stats.kstest(drawn.flatten()[:20_000], "uniform").pvalue > 1e-3
    for table in (drawn, drawn.T):
        apart = np.corrcoef(table)[np.triu_indices(len(table), 1)]
        assert abs(apart.mean()) < 5 / np.sqrt(drawn.numel())
        assert abs(apart).max() < 6 / np.sqrt(table.shape[1])


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_a_row_draws_its_numbers_whichever_rows_are_beside_it(key, rows):
    key, rows = torch.tensor(key), torch.tensor(rows)
    whole = keyed_uniform(key, rows, 5)
    alone = torch.cat([keyed_uniform(key, row[None], 5) for row in rows])
    assert torch.equal(whole, alone)
    assert torch.equal(keyed_uniform(key, rows, 3), whole[:, :3])


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_dropout_keeps_its_share_and_the_mean(probability):
    dropout, values = KeyedDropout(probability, "a"), torch.ones(200, 500)
    found = dropout(values, Noise(noise_key(0, 1, 0), ROWS))
    kept = (found != 0).double().mean().item()
    assert kept == pytest.approx(1 - probability, abs=0.01)
    torch.testing.assert_close(found[found != 0], (values / (1 - probability))[found != 0])


def test_another_step_module_or_row_has_another_mask():
    values = torch.ones(200, 50)
    masks = [
        KeyedDropout(0.5, name)(values, Noise(noise_key(0, 1, step), rows)) != 0
        for name, step, rows in (("a", 0, ROWS), ("b", 0, ROWS), ("a", 1, ROWS), ("a", 0, ROWS + 1))
    ]
    for index, mask in enumerate(masks):
        for other in masks[:index]:
            assert 0.45 < (mask == other).double().mean() < 0.55
    assert torch.equal(masks[0][1:], masks[3][:-1])


def test_evaluation_drops_nothing():
    values = torch.ones(200, 5)
    assert torch.equal(KeyedDropout(0.9, "a")(values, None), values)


def test_a_seed_depends_on_every_part_and_on_where_it_ends():
    parts = [("a", 1), ("a", 2), ("b", 1), ("a1",), ("a", "1", ""), (1, "a")]
    assert len({derive_seed(*one) for one in parts}) == len(parts)
