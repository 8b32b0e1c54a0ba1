"""A layer on two features side by side, of which one belongs to several of the other."""

from __future__ import annotations

from torch import Tensor, nn

from tass_core.systems.matmuls import fast_linear


class JoinedLinear(nn.Linear):
    """W [one; two] + b as W1 one + (W2 two + b), each product on its own feature's rows.

    What all questions on a video share goes through W1 once, and not once for each of them.

    Args:
        width: D of both features.
        out: width of the result.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__(2 * width, out)

    def one(self, values: Tensor) -> Tensor:
        """Return W1 values, [..., out] for [..., D]."""
        weight = self.weight[:, : self.in_features // 2]
        return fast_linear(values, weight, weight.new_zeros(self.out_features))

    def two(self, values: Tensor) -> Tensor:
        """Return W2 values + b, [..., out] for [..., D]."""
        return fast_linear(values, self.weight[:, self.in_features // 2 :], self.bias)
