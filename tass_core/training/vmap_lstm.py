"""The LSTM of stacked members: torch's own has no batching rule for ``torch.func.vmap``.

On a CPU every member calls torch's, which beats an LSTM written in batched products by
about two there. On CUDA the written one runs all members, and both directions, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from tass_core.systems.blocks.question import WordLSTM

Outputs = tuple[Tensor, ...]


def stack_lstms(network: nn.Module) -> None:
    """Put layers that ``vmap`` can batch in the places of a network's LSTMs."""
    for owner in list(network.modules()):
        for name, module in owner.named_children():
            if isinstance(module, WordLSTM):
                setattr(owner, name, StackedWordLSTM(module))
            elif isinstance(module, nn.LSTM):
                setattr(owner, name, StackedLSTM(module))


class StackedLSTM(nn.Module):
    """Stands in for an ``nn.LSTM`` with ``batch_first`` under ``vmap``, with its parameters."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self._library = (lstm,)  # in a tuple, so that its parameters are not counted twice
        for name, parameter in lstm.named_parameters():
            self.register_parameter(name, parameter)

    def forward(self, values: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the states [B, T, D] of values [B, T, C], and the last hidden and cell state."""
        names, weights = zip(*self.named_parameters(), strict=True)
        if values.is_cuda and self._library[0].num_layers == 1 and self._library[0].batch_first:
            states, *last = written_lstm(values, weights)
            return states, (last[0], last[1])

        def alone(own: Tensor, *parameters: Tensor) -> Outputs:
            arguments = dict(zip(names, parameters, strict=True))
            states, last = functional_call(self._library[0], arguments, (own,))
            return (states, *last)

        states, hidden, cell = each_member(alone, values, *weights)
        return states, (hidden, cell)


class StackedWordLSTM(nn.Module):
    """Stands in for a ``WordLSTM`` under ``vmap``, with its parameters."""

    def __init__(self, lstm: WordLSTM) -> None:
        super().__init__()
        self._library = (lstm,)
        for name, parameter in lstm.named_parameters():
            self.register_parameter(name, parameter)

    def forward(
        self, words: Tensor, word_count: Tensor, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states [B, N, D], 0 at padding, and the last hidden and cell state [B, D]."""
        names, (w_words, *others) = zip(*self.named_parameters(), strict=True)
        if words.is_cuda:
            weights = [w_words if vectors is None else w_words @ vectors.T, *others]
            states, hidden, cell = written_lstm(words, weights, word_count)
            return states, hidden[0], cell[0]
        shared = () if vectors is None else (vectors,)

        def alone(own: Tensor, *tensors: Tensor) -> Outputs:
            arguments = dict(zip(names, tensors[len(shared) :], strict=True))
            inputs = (own, word_count, *tensors[: len(shared)])
            found: Outputs = functional_call(self._library[0], arguments, inputs)
            return found

        states, hidden, cell = each_member(alone, words, *shared, w_words, *others)
        return states, hidden, cell


def written_lstm(
    values: Tensor, weights: Sequence[Tensor], lengths: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Run an LSTM of one or two directions in plain products, which ``vmap`` can batch.

    Args:
        values: [B, T, C].
        weights: torch's four for each direction: of the input, of the state, and their
            biases.
        lengths: [B] where a row ends; its state stands still from there. For one direction.

    Returns:
        states [B, T, R * H], 0 after a row's end, and the last hidden and cell state
        [R, B, H] of the R directions.
    """
    directions = [weights[start : start + 4] for start in range(0, len(weights), 4)]
    inputs = torch.stack(
        [
            functional.linear(values.flip(1) if backward else values, w_input, b_input + b_state)
            for backward, (w_input, _, b_input, b_state) in enumerate(directions)
        ]
    )
    recurrent = torch.stack([direction[1] for direction in directions]).transpose(-1, -2)
    hidden = cell = torch.zeros_like(inputs[:, :, 0, : recurrent.shape[-2]])
    states = []
    for time, gates in enumerate(inputs.unbind(dim=2)):
        new_hidden, new_cell = _cell(gates + hidden @ recurrent, cell)
        if lengths is None:
            hidden, cell = new_hidden, new_cell
            states.append(hidden)
        else:
            alive = (lengths > time).unsqueeze(-1)
            hidden = torch.where(alive, new_hidden, hidden)
            cell = torch.where(alive, new_cell, cell)
            states.append(hidden * alive)
    forward, *backward_states = torch.stack(states, dim=2).unbind()
    return torch.cat([forward, *(s.flip(1) for s in backward_states)], dim=-1), hidden, cell


def _cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return hidden and cell state [..., H] from the sums of the gates [..., 4H]."""
    enter, forget, candidate, leave = gates.chunk(4, dim=-1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def each_member(alone: Callable[..., Outputs], *tensors: Tensor) -> Outputs:
    """Under ``vmap``, run a function that has no batching rule for one member after another.

    Args:
        alone: takes one member's tensors and returns a tuple of tensors.
        tensors: stacked by ``vmap``, or shared.
    """
    found: Outputs = _EachMember.apply(alone, *tensors)  # type: ignore[no-untyped-call]
    return found


class _EachMember(torch.autograd.Function):
    """A batching rule and nothing else: below it autograd sees the members' own calls."""

    @staticmethod
    def forward(alone: Callable[..., Outputs], *tensors: Tensor) -> Outputs:
        return alone(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Outputs) -> None:
        """Keep nothing: only the batching rule is ever differentiated."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], alone: Callable[..., Outputs], *tensors: Tensor
    ) -> tuple[Outputs, tuple[int, ...]]:
        columns = [
            [tensor] * info.batch_size if dim is None else tensor.unbind(dim)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        outputs = [alone(*own) for own in zip(*columns, strict=True)]
        stacked = tuple(torch.stack(values) for values in zip(*outputs, strict=True))
        return stacked, (0,) * len(stacked)
