"""AVST that also answers from shortcuts in training, and what that costs it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from tass_core.systems.avst import network
from tass_core.systems.blocks.rows import take
from tass_core.systems.protocol import Batch, Noise, Output

SHORTCUTS = ("q", "qa", "qv")
"""What is left of the true question, sound (a) and frames (v)."""


class Network(network.Network):
    """AVST; in training ``extra`` also holds the logits [B', answers] of every shortcut."""

    def decide(self, batch: Batch, a: Tensor, maps: Tensor, noise: Noise | None) -> Output:
        """Answer the owned questions of a batch; in training from shortcuts, too."""
        output = super().decide(batch, a, maps, noise)
        negatives = batch.negatives
        if noise is None or negatives is None or negatives.visual is None:
            return output
        video = batch.video[batch.rows]
        mine, other = video - batch.first_video, (video + 1) % len(batch.audio)
        question = self.question(batch)[0][batch.rows]
        own = torch.arange(len(maps), device=a.device) + batch.first_video
        elsewhere, away = self.project_visual(negatives.visual), (own + 1) % len(a)
        heard, foreign = take(a, video), take(a, other)
        seen = {
            "q": (foreign, self.look(elsewhere, take(a, away))[0]),
            "qa": (heard, self.look(elsewhere, take(a, own))[0]),
            "qv": (foreign, self.look(maps, take(a, away))[0]),
        }
        logits = {
            f"shortcut/{name}": self.answer(question, sound, take(frames, mine), noise)[0]
            for name, (sound, frames) in seen.items()
        }
        return replace(output, extra={**output.extra, **logits})


def causal_loss(output: Output, batch: Batch, tau: float) -> Tensor:
    """Return Σ w_s L_s of every question: [B']."""
    right = batch.answer[batch.rows].unsqueeze(-1)

    def log_chance(logits: Tensor) -> Tensor:
        return functional.log_softmax(logits, dim=-1).gather(-1, right).squeeze(-1)

    true = log_chance(output.logits)
    biased = torch.stack([log_chance(output.extra[f"shortcut/{name}"]) for name in SHORTCUTS])
    weights = len(SHORTCUTS) * (biased.detach().exp() / tau).softmax(dim=0)
    # -log(p / (p + p_s)) = log(1 + exp(log p_s - log p))
    return (weights * functional.softplus(biased - true)).sum(dim=0)
