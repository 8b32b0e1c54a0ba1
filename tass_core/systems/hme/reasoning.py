"""HME's reasoning: an LSTM that looks into both memories after every step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.randomness import KeyedDropout
from tass_core.systems.hme import HmeModel
from tass_core.systems.hme.layers import AdditiveAttention, Product, TwoLayers
from tass_core.systems.protocol import Noise


class Reasoning(nn.Module):
    """A few steps of a two-layer LSTM; what it reads in one is what enters the next."""

    def __init__(self, model: HmeModel) -> None:
        super().__init__()
        width = model.width
        self.start = nn.Linear(2 * width, width)
        self.lstm = TwoLayers(width, width)
        self.glance = Glance(width)
        self.next = nn.Linear(2 * width, width)
        self.drops = nn.ModuleList(
            KeyedDropout(model.dropout, f"reasoning.{step}") for step in range(model.steps)
        )

    def forward(
        self, ends: Tensor, video: Tensor, words: Tensor, padding: Tensor, noise: Noise | None
    ) -> Tensor:
        """Return the last states of both layers [B, 2D].

        Args:
            ends: [B, 2D] where both streams of the video end.
            video: [B, T, D] states of the visual memory.
            words: [B, N, D] states of the question memory.
            padding: [B, N], True after the last word.
            noise: of training.
        """
        thought, states = torch.tanh(self.start(ends)), None
        for drop in self.drops:
            if states is not None:
                state = states[1][0]
                seen = self.glance(state, video, words, padding)
                thought = torch.tanh(self.next(torch.cat([state, seen], dim=-1)))
            _, states = self.lstm(drop(thought, noise).unsqueeze(1), states)
        assert states is not None
        return torch.cat([hidden for hidden, _ in states], dim=-1)


class Glance(nn.Module):
    """Attention to either memory, and to which of both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attend_video = AdditiveAttention(width, width, width, sigma=0.1)
        self.attend_words = AdditiveAttention(width, width, width, sigma=0.1)
        self.state_weight = Product(width, width, bias=False)
        self.video_weight = Product(width, width)
        self.words_weight = Product(width, width)
        self.score = Product(width, 1, bias=False)
        self.from_state = Product(width, width)
        self.from_video = Product(width, width, bias=False)
        self.from_words = Product(width, width, bias=False)

    def forward(self, state: Tensor, video: Tensor, words: Tensor, padding: Tensor) -> Tensor:
        """Return u [B, D] for state s [B, D]; see ``Reasoning``."""
        seen, _ = self.attend_video(video, state)
        read, _ = self.attend_words(words, state, padding)
        pair = torch.stack([self.video_weight(seen), self.words_weight(read)], dim=1)
        scores = self.score(torch.tanh(pair + self.state_weight(state).unsqueeze(1)))
        of_video, of_words = scores.softmax(dim=1).unbind(dim=1)
        from_both = of_video * self.from_video(seen) + of_words * self.from_words(read)
        return torch.tanh(self.from_state(state) + from_both)
