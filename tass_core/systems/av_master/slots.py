"""Slots that read a sequence second by second, and tokens that look into them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.av_master import MasterModel
from tass_core.systems.blocks.attention import Attention
from tass_core.systems.blocks.rows import again
from tass_core.systems.protocol import Noise


class OneValue(nn.Module):
    """What attention to a single vector gives, whoever asks: W_o (W_v x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """Return [..., D]."""
        found: Tensor = self.output(self.value(values))
        return found


class Slots(nn.Module):
    """Slots S, which start as the first second's vector, and take in each second's f::

        S <- W_3 (W_1 S + W_2 f)
        S <- LN(S + SA(S + b; S))
        S <- LN(S + W_o (W_v f))
        S <- LN(LN(S + FFN(S)))

    and at last S <- tanh(cosines of S) S. Both attentions to f, of which the public code holds as
    many copies as slots, weigh alike whatever asks, and so are linear here.
    """

    def __init__(self, model: MasterModel) -> None:
        super().__init__()
        width, inner = model.width, model.inner
        self.biased = model.start == "biased"
        self.embed = nn.Linear(width, width)
        self.keep, self.read = nn.Linear(width, inner), nn.Linear(width, inner)
        self.mix = nn.Linear(inner, width)
        self.own = Attention(width, model.heads, model.dropout, "slots.own")
        self.told = OneValue(width)
        self.feed_in, self.feed_out = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.drop_hidden = KeyedDropout(model.dropout, "slots.hidden")
        self.drops = nn.ModuleList(
            KeyedDropout(model.dropout, f"slots.branch.{i}") for i in range(3)
        )

    def forward(self, values: Tensor, biases: Tensor, noise: Noise | None, kind: int) -> Tensor:
        """Return the slots at the end [U, S, D].

        Args:
            values: [U, T, D].
            biases: b [S, D].
            noise: of the videos.
            kind: 0 or 1, which of two sequences this is; it keeps their dropout apart.
        """
        f = self.embed(values)
        read, told = self.read(f), self.told(f)
        slots = f[:, :1] + (biases if self.biased else torch.zeros_like(biases))
        for second in range(values.shape[1]):
            now = again(noise, 2 * second + kind)
            slots = self.mix(self.keep(slots) + read[:, second, None])
            asking = slots + biases
            slots = self._add(0, slots, self.own(asking, asking, now, values=slots)[0], now)
            slots = self._add(1, slots, told[:, second, None].expand_as(slots), now)
            hidden = self.drop_hidden(functional.gelu(self.feed_in(slots)), now)
            slots = self.norms[3](self._add(2, slots, self.feed_out(hidden), now))
        unit = functional.normalize(slots, dim=-1)
        found: Tensor = torch.tanh(unit @ unit.transpose(-1, -2)) @ slots
        return found

    def _add(self, place: int, slots: Tensor, branch: Tensor, noise: Noise | None) -> Tensor:
        added: Tensor = self.norms[place](slots + self.drops[place](branch, noise))
        return added


class SlotAttention(nn.Module):
    """softmax over slots k of w . tanh(x + U s_k), and the weighted sum of the x + U s_k."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.slot = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, tokens: Tensor, slots: Tensor) -> Tensor:
        """Return [B, n, D] for tokens x [B, n, D] and slots s [B, S, D]."""
        seen = self.slot(slots).unsqueeze(1)
        weights = self.score(torch.tanh(tokens.unsqueeze(2) + seen)).softmax(dim=2)
        found: Tensor = tokens + (weights * seen).sum(dim=2)
        return found
