"""Rows taken several times get the same gradient every time, however many threads add it up."""

import pytest
import torch

from tass_core.systems.blocks.rows import take

PLACES = torch.randint(0, 3, (64,), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_rows_are_those_asked_for_and_their_gradients_add_up():
    values = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(64, 2, 5, dtype=torch.float64)
    found = take(values, PLACES)
    assert torch.equal(found, values[PLACES])
    (found * weights).sum().backward()
    wanted = torch.stack([weights[row == PLACES].sum(dim=0) for row in range(3)])
    torch.testing.assert_close(values.grad, wanted)


@pytest.mark.usefixtures("_two_threads")
def test_gradients_have_the_same_bits_every_time():
    values, weights = torch.randn(3, 5000), torch.randn(64, 5000)
    found = []
    for _ in range(40):
        leaf = values.clone().requires_grad_()
        (take(leaf, PLACES) * weights).sum().backward()
        found.append(leaf.grad)
    assert all(torch.equal(gradient, found[0]) for gradient in found)
