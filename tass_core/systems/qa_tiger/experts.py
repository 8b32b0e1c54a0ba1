"""QA-TIGER's experts: each weighs time by a Gaussian that the question moves and widens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.blocks.attention import Attention
from tass_core.systems.protocol import Noise
from tass_core.systems.qa_tiger import TigerModel

NARROWEST = 0.09
"""The least that the sigmoid of a width counts."""
SHARPNESS = 9.0
"""By which widths are divided: they lie between 0.01 and 0.111 of the video."""


class Bottleneck(nn.Module):
    """An MLP D, D / 2, D with relu."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(width, width // 2)
        self.wide = nn.Linear(width // 2, width)

    def forward(self, values: Tensor) -> Tensor:
        """Return [..., D]."""
        found: Tensor = self.wide(torch.relu(self.narrow(values)))
        return found

    def summed(self, values: Tensor, weights: Tensor) -> Tensor:
        """Return sum_t g(t) MLP(x_t) [B, D], which takes the second layer once.

        Args:
            values: x [B, T, D].
            weights: g [B, T].
        """
        hidden = (weights.unsqueeze(1) @ torch.relu(self.narrow(values))).squeeze(1)
        mass = weights.sum(dim=1, keepdim=True)
        return functional.linear(hidden, self.wide.weight) + mass * self.wide.bias


class Experts(nn.Module):
    """LN(sum_i r_i sum_t g_i(t) e_i(x_t)), for one or more sequences x.

    Args:
        model: the fields.
        segments: T.
        outputs: sequences that the experts see, with a norm each.
        name: keeps its dropout apart.
    """

    times: Tensor
    comb: Tensor

    def __init__(self, model: TigerModel, segments: int, outputs: int, name: str) -> None:
        super().__init__()
        count, width = model.experts, model.width
        self.attend = Attention(width, model.heads, model.dropout, f"{name}.experts")
        self.route = nn.Linear(width, count)
        self.shape = nn.Linear(width, 2 * count)
        self.experts = nn.ModuleList(Bottleneck(width) for _ in range(count))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(outputs))
        half = 0.5 / count
        self.register_buffer("times", torch.linspace(0, 1, segments), persistent=False)
        self.register_buffer("comb", torch.linspace(half, 1 - half, count), persistent=False)

    def forward(
        self, question: Tensor, context: Tensor, sequences: list[Tensor], noise: Noise | None
    ) -> tuple[list[Tensor], Tensor]:
        """Return [B, D] of every sequence, and the weights over time [B, T], which sum to 1.

        Args:
            question: [B, D].
            context: [B, T, D] that the question attends to for mixture and Gaussians.
            sequences: [B, T, D] that the experts see.
            noise: of training.
        """
        asked = self.attend(question.unsqueeze(1), context, noise)[0].squeeze(1)
        weights = self.route(asked).softmax(dim=-1).unsqueeze(-1) * self.gaussians(asked)
        found = [
            norm(self._mixed(x, weights)) for norm, x in zip(self.norms, sequences, strict=True)
        ]
        over_time = weights.sum(dim=1)
        return found, over_time / over_time.sum(dim=-1, keepdim=True)

    def _mixed(self, values: Tensor, weights: Tensor) -> Tensor:
        """Return [B, D], what the experts make of values [B, T, D] by weights [B, E, T]."""
        each = []
        for expert, own in zip(self.experts, weights.unbind(1), strict=True):
            assert isinstance(expert, Bottleneck)
            each.append(expert.summed(values, own))
        return torch.stack(each).sum(dim=0)

    def gaussians(self, asked: Tensor) -> Tensor:
        """Return g [B, E, T], of maximum 1, for what the question attended to [B, D]."""
        offset, width = self.shape(asked).chunk(2, dim=-1)
        centre = (self.comb + torch.tanh(offset) * 0.5 / len(self.comb)).clamp(0, 1)
        sigma = torch.sigmoid(width).clamp_min(NARROWEST) / SHARPNESS
        apart = (self.times - centre.unsqueeze(-1)) / sigma.unsqueeze(-1)
        # Taken together with its maximum: alone, none of few segments may be near a centre.
        exponent = -0.5 * apart.square()
        g: Tensor = (exponent - exponent.amax(dim=-1, keepdim=True)).exp()
        return g
