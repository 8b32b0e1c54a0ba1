"""What HME is made of: LSTMs that start anywhere, and attention by sums."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

States = list[tuple[Tensor, Tensor]]
"""Hidden and cell state [B, D] of every layer."""


class Product(nn.Module):
    """A linear layer that starts near 0: N(0, σ²), without bias.

    Args:
        size_in: I.
        size_out: O.
        bias: whether there is one.
        sigma: σ.
    """

    def __init__(
        self, size_in: int, size_out: int, *, bias: bool = True, sigma: float = 0.01
    ) -> None:
        super().__init__()
        self.sigma = sigma
        self.weight = nn.Parameter(torch.empty(size_out, size_in))
        self.bias = nn.Parameter(torch.empty(size_out)) if bias else None

    def reset_parameters(self) -> None:
        """Draw the initial values."""
        nn.init.normal_(self.weight, std=self.sigma)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, *values: Tensor) -> Tensor:
        """Return [..., O] for values that lie side by side [..., I]."""
        return functional.linear(torch.cat(values, dim=-1), self.weight, self.bias)


class Recurrent(nn.LSTMCell):
    """An LSTM from any start, in plain products, which ``vmap`` can batch."""

    def forward(  # type: ignore[override]
        self, values: Tensor, start: tuple[Tensor, Tensor] | None, count: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the states [B, T, D] of values [B, T, C], and the last hidden and cell state.

        Args:
            values: [B, T, C].
            start: hidden and cell state [B, D]; zeros if None.
            count: [B] where a row ends: its state stands still from there.
        """
        inputs = functional.linear(values, self.weight_ih, self.bias_ih + self.bias_hh)
        nothing = torch.zeros_like(inputs[:, 0, : self.hidden_size])
        hidden, cell = start or (nothing, nothing)
        states = []
        for time, gates in enumerate(inputs.unbind(dim=1)):
            enter, forget, candidate, leave = (gates + hidden @ self.weight_hh.T).chunk(4, dim=-1)
            new_cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
            new_hidden = leave.sigmoid() * new_cell.tanh()
            if count is not None:
                alive = (count > time).unsqueeze(-1)
                new_hidden = torch.where(alive, new_hidden, hidden)
                new_cell = torch.where(alive, new_cell, cell)
            hidden, cell = new_hidden, new_cell
            states.append(hidden)
        return torch.stack(states, dim=1), (hidden, cell)


class TwoLayers(nn.Module):
    """An LSTM on an LSTM, with the states of both."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = Recurrent(channels, width)
        self.second = Recurrent(width, width)

    def forward(
        self, values: Tensor, start: States | None, count: Tensor | None = None
    ) -> tuple[list[Tensor], States]:
        """Return both layers' states [B, T, D] and where they end; see ``Recurrent``."""
        below, above = start or (None, None)
        first, first_end = self.first(values, below, count)
        second, second_end = self.second(first, above, count)
        return [first, second], [first_end, second_end]


class AdditiveAttention(nn.Module):
    """softmax over t of w · tanh(W x_t + U q + b), and the weighted sum of the x_t."""

    def __init__(self, size: int, query: int, width: int, sigma: float = 0.01) -> None:
        super().__init__()
        self.value = Product(size, width, sigma=sigma)
        self.query = Product(query, width, bias=False, sigma=sigma)
        self.score = Product(width, 1, bias=False)

    def forward(
        self, values: Tensor, query: Tensor, hide: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return [B, X] and the weights [B, T].

        Args:
            values: [B, T, X].
            query: [B, Q].
            hide: [B, T], True for a value that gets no weight.
        """
        hidden = torch.tanh(self.value(values) + self.query(query).unsqueeze(1))
        scores = self.score(hidden).squeeze(-1)
        if hide is not None:
            scores = scores.masked_fill(hide, -torch.inf)
        weights = scores.softmax(dim=-1)
        return (weights.unsqueeze(1) @ values).squeeze(1), weights
