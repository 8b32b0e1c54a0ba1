"""The other library's linear layer is a linear layer, alone and stacked."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, vmap

from tass_core.systems import matmuls as linear
from tass_core.systems.matmuls import SMALL, FastLinear, onednn_linear

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"
)


def draw(*shape):
    source = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=source)


def by_hand(rows, weight, bias, grad):
    """The product and the gradients of its inputs, in float64."""
    rows, weight, bias, grad = (
        tensor.detach().numpy().astype(np.float64) for tensor in (rows, weight, bias, grad)
    )
    return rows @ weight.T + bias, grad @ weight, grad.T @ rows, grad.sum(axis=0)


def assert_near(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 33, 5), (640, 128, 512)])
def test_product_and_gradients_are_those_by_hand(sizes):
    count, inputs, outputs = sizes
    leaves = [draw(count, inputs), draw(outputs, inputs), draw(outputs)]
    rows, weight, bias = (leaf.requires_grad_() for leaf in leaves)
    found, grad = onednn_linear(rows, weight, bias), draw(count, outputs)
    found.backward(grad)
    assert_near((found, rows.grad, weight.grad, bias.grad), by_hand(rows, weight, bias, grad))


@pytest.mark.parametrize("shared", [True, False])
def test_stacked_members_have_their_own_products(shared):
    rows = draw(9, 6) if shared else draw(3, 9, 6)
    weight, bias, grad = draw(3, 4, 6), draw(3, 4), draw(3, 9, 4)
    for leaf in (rows, weight, bias):
        leaf.requires_grad_()
    found = vmap(onednn_linear, in_dims=(None if shared else 0, 0, 0))(rows, weight, bias)
    found.backward(grad)
    each = [
        by_hand(rows if shared else rows[member], weight[member], bias[member], grad[member])
        for member in range(3)
    ]
    products, grad_rows, *others = (np.stack(one) for one in zip(*each, strict=True))
    wanted = (products, grad_rows.sum(axis=0) if shared else grad_rows, *others)
    assert_near((found, rows.grad, weight.grad, bias.grad), wanted)


def test_rows_may_lie_apart_and_need_no_gradient():
    rows, weight, bias = draw(6, 5).t(), draw(3, 6).requires_grad_(), draw(3).requires_grad_()
    found = onednn_linear(rows, weight, bias)
    found.backward(torch.ones_like(found))
    want = by_hand(rows, weight, bias, torch.ones(5, 3))
    assert_near((found, weight.grad, bias.grad), (want[0], *want[2:]))


def test_autocast_rounds_stacked_members_as_it_rounds_one():
    weight, bias, values = draw(3, 4, 6), draw(3, 4), draw(9, 6)
    layer = FastLinear(6, 4)

    def one(weight, bias):
        return functional_call(layer, {"weight": weight, "bias": bias}, (values,))

    with torch.autocast("cpu", torch.bfloat16):
        found = vmap(one)(weight, bias)
        alone = torch.stack([one(weight[member], bias[member]) for member in range(3)])
    assert found.dtype == alone.dtype == torch.bfloat16
    torch.testing.assert_close(found, alone, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("faster", [True, False])
def test_only_large_products_where_it_pays_go_to_the_other_library(faster, large, monkeypatch):
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: faster)
    layer = FastLinear(512, 512)
    values = draw(4, SMALL // 2**18 // 4 * (2 if large else 1), 512)
    taken = layer(values).grad_fn.next_functions[0][0].name()
    found = layer(values)
    assert found.shape == (*values.shape[:-1], 512)
    assert ("OneDnn" in taken) == (faster and large)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(values).dtype == torch.bfloat16
    assert layer.double()(values.double()).dtype == torch.float64
