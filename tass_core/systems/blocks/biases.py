"""Answers from one modality alone, which MCCD keeps the true answer apart from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tass_core.systems.protocol import Batch, Output, Term

SHARE = 0.333
"""Weight of each of three alike, as published."""
APART = 0.01
"""Weight of the distances, as published."""
TINY = 1e-5
"""Added to a distance before one divides by it."""
CYCLE = (("question", "audio"), ("visual", "question"), ("audio", "visual"))
"""(P, Q) of every KL(P || Q)."""


class Biases(nn.Module):
    """Heads D-D-D-answers with relu.

    Args:
        widths: modality -> D of its feature.
        answers: classes.
    """

    def __init__(self, widths: Mapping[str, int], answers: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(
                    *(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()),
                    nn.Linear(width, answers),
                )
                for name, width in widths.items()
            }
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return ``alone/<modality>`` -> logits [B', answers] of features [B', D]."""
        return {f"alone/{name}": head(features[name]) for name, head in self.heads.items()}


def add_biases(network: nn.Module, widths: Mapping[str, int], answers: int) -> None:
    """Let a network also answer from each modality alone, in training; see ``Biases``."""
    network.add_module("biases", Biases(widths, answers))
    network.register_forward_hook(_answer_alone)


def _answer_alone(network: nn.Module, _inputs: tuple[Any, ...], output: Output) -> Output:
    if not network.training:
        return output
    alone = network.get_submodule("biases")(output.features)
    return replace(output, extra={**output.extra, **alone})


def debiasing_term(output: Output, batch: Batch, weight: float) -> Term:
    """Return MCCD's loss, see ``tass_core.systems.debiasing``."""
    exact = torch.promote_types(output.logits.dtype, torch.float32)
    logits, alone = output.logits.to(exact), {}
    for name, own in output.extra.items():
        if name.startswith("alone/"):
            alone[name.removeprefix("alone/")] = own.to(exact)
    total = logits.new_zeros(())
    for own in alone.values():
        distance = torch.linalg.vector_norm(logits - own, dim=-1)
        total = total + APART * SHARE * (1.0 / (distance + TINY)).sum()
    log = {name: own.log_softmax(dim=-1) for name, own in alone.items()}
    for p, q in CYCLE:
        if p in log and q in log:
            total = total + SHARE**2 * (log[p].exp() * (log[p] - log[q])).sum()
    return Term(total, len(batch.answer), weight)
