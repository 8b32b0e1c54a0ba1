"""HME's two memories of S slots: of the video, and of the question."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tass_core.systems.hme.layers import Product


class VisualMemory(nn.Module):
    """A memory that both streams write to, at rates that they share with what is kept."""

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.read = Product(3 * width, slots)
        self.rates = Product(3 * width, 3)
        self.contents = nn.ModuleList(Product(2 * width, width) for _ in range(2))
        self.places = nn.ModuleList(Product(2 * width, slots) for _ in range(2))
        self.own = nn.ModuleList(Product(3 * width, width) for _ in range(2))
        self.state = Product(2 * width, width)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Return the states h [B, T, D] over two streams [B, T, D]."""
        state, memory = _nothing(streams[0], self.slots)
        own, states = [state, state], []
        for inputs in zip(*(stream.unbind(dim=1) for stream in streams), strict=True):
            read = _read(self.read(*own, state).softmax(dim=-1), memory)
            keep, *rates = self.rates(*own, state).softmax(dim=-1).split(1, dim=-1)
            written = keep.unsqueeze(-1) * memory
            pairs = list(zip(own, inputs, strict=True))
            for pair, rate, content, place in zip(
                pairs, rates, self.contents, self.places, strict=True
            ):
                share = rate * place(*pair).softmax(dim=-1)
                written = written + share.unsqueeze(-1) * torch.relu(content(*pair)).unsqueeze(1)
            own = [
                torch.relu(layer(new, read, old))
                for layer, (old, new) in zip(self.own, pairs, strict=True)
            ]
            state, memory = torch.relu(self.state(read, state)), written
            states.append(state)
        return torch.stack(states, dim=1)


class QuestionMemory(nn.Module):
    """A memory of the words, read and written through gates."""

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.slots = slots
        self.read = Product(2 * width, slots)
        self.read_gate = Product(2 * width, 1)
        self.content = Product(2 * width, width)
        self.place = Product(2 * width, slots)
        self.write_gate = Product(2 * width, 1)
        self.state = Product(3 * width, width)

    def forward(self, words: Tensor) -> Tensor:
        """Return the states h [B, N, D] over words [B, N, D]."""
        state, memory = _nothing(words, self.slots)
        states = []
        for word in words.unbind(dim=1):
            pair = word, state
            gate = self.read_gate(*pair).sigmoid()
            read = gate * _read(self.read(*pair).softmax(dim=-1), memory)
            place = self.place(*pair).softmax(dim=-1).unsqueeze(-1)
            content = torch.relu(self.content(*pair)).unsqueeze(1)
            gate = self.write_gate(*pair).sigmoid().unsqueeze(-1)
            # What is erased is the whole of the place, gate or no gate (public code).
            memory = gate * place * content + (1.0 - place) * memory
            state = torch.relu(self.state(word, read, state))
            states.append(state)
        return torch.stack(states, dim=1)


def _nothing(values: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Return an empty state [B, D] and memory [B, S, D] for values [B, T, D]."""
    state = torch.zeros_like(values[:, 0])
    return state, state.unsqueeze(1).expand(-1, slots, -1)


def _read(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights.unsqueeze(1) @ memory).squeeze(1)
