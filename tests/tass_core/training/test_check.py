"""What an author is told of a new system: nothing when it is right, and what is wrong otherwise."""

from dataclasses import replace

import pytest
import torch

from tass_core.systems import system_named
from tass_core.systems.protocol import Term
from tass_core.systems.tass import TASS
from tass_core.training.check import check_system

SMALL = {"model.width": 16, "model.heads": 2}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"model.encoder": "resnet18-glove"},
        {"model.target": "word_soft"},
        {"model.structure": "dual", "loss.negatives": "dataset"},
        {"model.spatial_grounding": False},
        {"model.temporal_grounding": False, "loss.match": False},
    ],
)
def test_tass_passes(change):
    check_system(TASS, SMALL | change)


class Wrong(torch.nn.Module):
    """TASS's network with one mistake."""

    def __init__(self, network, mistake):
        super().__init__()
        self.network, self.mistake = network, mistake
        if mistake == "dead":
            self.unused = torch.nn.Linear(2, 2)

    def forward(self, batch, noise=None):
        output = self.network(batch, noise)
        logits = output.logits
        if self.mistake == "neighbours":
            logits = logits + logits.mean(dim=0)
        if self.mistake == "random":
            logits = logits + torch.rand(())
        if self.mistake == "shape":
            logits = logits[:, 1:]
        return replace(output, logits=logits)


def mean_losses(output, *others):
    """The answer's loss as each worker's own mean."""
    found = TASS.losses(output, *others)
    return {**found, "qa": Term(found["qa"].total / len(output.logits), 1)}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("neighbours", "for a question alone logits differs"),
        ("random", "logits differs"),
        ("shape", r"logits is \(5, 5\), not \(5, 6\)"),
        ("dead", r"no gradient reaches unused\.weight, unused\.bias"),
        ("means", "added up over two workers loss differs"),
        ("names", "losses .* are not all among"),
    ],
)
def test_a_mistake_is_named(mistake, message, monkeypatch):
    wrong = replace(TASS, build=lambda *given: Wrong(TASS.build(*given), mistake))
    if mistake == "means":
        wrong = replace(TASS, losses=mean_losses)
    if mistake == "names":
        wrong = replace(TASS, terms=("answer",))
    system_named.cache_clear()
    monkeypatch.setattr("tass_core.systems.tass.TASS", wrong)
    try:
        with pytest.raises(AssertionError, match=message):
            check_system(wrong, SMALL)
    finally:
        system_named.cache_clear()


def test_a_system_that_is_not_installed_is_refused():
    with pytest.raises(AssertionError, match="another system is installed as tass"):
        check_system(replace(TASS, version=2), SMALL)
