"""Linear layers, by the faster of the libraries that torch has for a CPU's matrix products.

MKL, with which torch multiplies matrices, uses half the width of AMD's AVX-512 processors.
oneDNN, with which torch convolves, uses all of it, and a linear layer is a convolution of one
by one. Networks are written with plain ``nn.Linear``; ``use_fast_matmuls`` goes over them once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALL = 2**25
"""Multiply-adds up to which a product takes no longer by either library."""
DILATION = [2, 2]
"""Means nothing to a filter of one by one; without it torch convolves by MKL on one thread."""


def use_fast_matmuls(network: nn.Module) -> None:
    """Let a network's linear layers take their large float32 products by oneDNN where it pays."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = FastLinear


class FastLinear(nn.Linear):
    """``nn.Linear`` that chooses its library by the size of the product."""

    def forward(self, values: Tensor) -> Tensor:
        """Return [..., O] for values [..., I]."""
        return fast_linear(values, self.weight, self.bias)


def fast_linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``values @ weight.T + bias``: [..., O] for [..., I], [O, I] and [O]."""
    large = values.numel() * len(weight) > SMALL
    exact = values.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    eager = values.device.type == "cpu" and not torch.compiler.is_compiling()
    if large and exact and eager and bias is not None and onednn_is_faster():
        rows = onednn_linear(values.flatten(0, -2), weight, bias)
        return rows.view(*values.shape[:-1], len(weight))
    if bias is None:
        return functional.linear(values, weight)
    return functional.linear(values, weight, bias.to(_autocast_dtype(values, bias.dtype)))


def _autocast_dtype(values: Tensor, otherwise: torch.dtype) -> torch.dtype:
    """The type autocast multiplies in; under ``vmap`` it would leave the bias as it is."""
    kind = values.device.type
    enabled = kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if enabled else otherwise


@cache
def onednn_is_faster() -> bool:
    """Whether this processor has AVX-512 that oneDNN uses and MKL does not."""
    libraries = (torch.backends.mkldnn, torch.backends.mkl)
    if not all(library.is_available() for library in libraries):
        return False
    try:
        amd = "AuthenticAMD" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return amd and torch.backends.cpu.get_cpu_capability() == "AVX512"


def onednn_linear(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return ``rows @ weight.T + bias`` by oneDNN.

    Args:
        rows: [R, I] float32, on the CPU.
        weight: [O, I].
        bias: [O].

    Returns:
        [R, O].
    """
    found: Tensor = _OneDnnLinear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return found


class _OneDnnLinear(torch.autograd.Function):
    """A product that members who share its rows take together, and others one by one."""

    @staticmethod
    def forward(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        image, filters = _image(rows), weight[..., None, None]
        return _rows(functional.conv2d(image, filters, bias, dilation=DILATION))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = ctx.saved_tensors
        grad_rows, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            *(_image(grad), _image(rows), weight[..., None, None], [len(weight)]),
            *([1, 1], [0, 0], DILATION, False, [0, 0], 1, list(ctx.needs_input_grad)),
        )
        return (
            None if grad_rows is None else _rows(grad_rows),
            None if grad_weight is None else grad_weight.reshape(weight.shape),
            grad_bias,
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], rows: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, int]:
        if in_dims == (None, 0, 0):
            together = onednn_linear(rows, weight.flatten(0, 1), bias.flatten())
            return together.unflatten(1, (info.batch_size, -1)), 1
        each = (
            [values] * info.batch_size if dim is None else values.unbind(dim)
            for values, dim in zip((rows, weight, bias), in_dims, strict=True)
        )
        return torch.stack([onednn_linear(*one) for one in zip(*each, strict=True)]), 0


def _image(rows: Tensor) -> Tensor:
    """[R, C] -> [1, C, R, 1], channels last, without a copy."""
    return rows.contiguous().view(1, len(rows), 1, -1).permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    """[1, C, R, 1] -> [R, C]."""
    return image.permute(0, 2, 3, 1).flatten(0, 2)
