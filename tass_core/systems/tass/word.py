"""TJSTG's target: the one word that the question's state attends to most, then two layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.attention import Attention
from tass_core.systems.blocks.question import (
    ClipQuestion,
    GloveQuestion,
    is_padding,
)
from tass_core.systems.protocol import TOKENS, Batch, Shapes


class ChosenWord(nn.Module):
    """The attention's argmax, which gives its layers no gradient: they stay as they were drawn."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, 0.0, "word")
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, state: Tensor, words: Tensor, word_count: Tensor) -> Tensor:
        """Return f_tgt [B, D] from a state [B, D], words [B, N, D] and their counts [B]."""
        padding = is_padding(words, word_count)
        _, weights = self.attention(state.unsqueeze(1), words, None, padding)
        chosen = weights.mean(dim=1).squeeze(1).argmax(dim=-1)
        target = words[torch.arange(len(words), device=words.device), chosen]
        found: Tensor = self.second(torch.relu(self.first(target)))
        return found


class CellQuestion(GloveQuestion):
    """A question whose LSTM's last cell state asks for the word."""

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return f_q and f_tgt, both [B, D]."""
        assert self.target is not None
        question, words, cell = self.read(batch)
        return question, self.target(cell, words, batch.word_count)


def choosing_question(encoder: str, shapes: Shapes, width: int, heads: int) -> nn.Module:
    """Return what turns a batch's questions into f_q and f_tgt; with CLIP f_q asks itself."""
    target = ChosenWord(width, heads)
    if encoder not in TOKENS:
        return ClipQuestion(shapes.text, width, target)
    return CellQuestion(shapes.vocabulary, shapes.vectors or width, width, target)
