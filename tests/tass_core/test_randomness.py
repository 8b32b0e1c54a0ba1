"""Random numbers by key: uniform, independent, and the same however rows are split."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from tass_core.randomness import KeyedDropout, derive_seed, initialise, keyed_uniform, noise_key
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


class Layers(nn.Module):
    """Layers of many kinds."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.gru = nn.GRU(5, 6)
        self.attention = nn.MultiheadAttention(8, 2)
        self.batch_norm = nn.BatchNorm1d(7)
        self.layer_norm = nn.LayerNorm(7)
        self.linear = nn.Linear(9, 2)
        self.lstm = nn.LSTM(5, 4)
        self.embedding = nn.Embedding(500, 10)


def initial(seed, layers=None):
    layers = layers or Layers()
    initialise(layers, seed)
    return dict(layers.named_parameters())


def test_initial_weights_of_every_kind_of_layer_depend_on_seed_and_name_alone():
    one, again, other = initial(0), initial(0), initial(1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    drawn = {name for name in one if not torch.equal(one[name], other[name])}
    constant = {n for n in one if "norm" in n} | {
        "attention.in_proj_bias",
        "attention.out_proj.bias",
    }
    assert drawn == one.keys() - constant
    fewer = Layers()
    del fewer.convolution, fewer.linear
    assert all(torch.equal(value, one[name]) for name, value in initial(0, fewer).items())


def test_initial_weights_leave_torchs_own_generator_alone():
    layers = Layers()
    torch.manual_seed(3)
    before = torch.rand(4)
    torch.manual_seed(3)
    initialise(layers, 0)
    assert torch.equal(torch.rand(4), before)


def test_initial_weights_have_torchs_distributions():
    found = {name: value.detach() for name, value in initial(0).items()}
    for name, bound in (("linear.weight", 1 / 3), ("lstm.weight_hh_l0", 1 / 2)):
        assert found[name].abs().max() <= bound
        assert found[name].std() == pytest.approx(bound / 3**0.5, rel=0.3)
    assert found["embedding.weight"].std() == pytest.approx(1, rel=0.05)
    assert torch.equal(found["layer_norm.weight"], torch.ones(7))


def test_a_module_that_cannot_draw_its_weights_is_named():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))

    with pytest.raises(TypeError, match=r"Own has parameters of its own and no reset_parameters"):
        initialise(nn.Sequential(Own()), 0)
