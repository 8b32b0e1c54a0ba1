"""COCA, LAVISH and TJSTG: what they add to AVST and TASS, and when they add nothing."""

import math
from dataclasses import replace

import numpy as np
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.randomness import noise_key
from tass_core.systems import system_named
from tass_core.systems.avst.adapters import Adapter
from tass_core.systems.avst.shortcuts import SHORTCUTS, causal_loss
from tass_core.systems.protocol import Negatives, Noise, Output
from tass_core.systems.tass.word import ChosenWord
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import attend, configure, linear, softmax, weights_of

SMALL = {"model.width": 32, "model.heads": 2}


def train_once(name, batch, **values):
    """The weighted terms of a step's loss and the gradients, by name."""
    config = configure(name, {**SMALL, **values})
    model = properties.network(config).train()
    output = model(batch, Noise(noise_key(0, 1, 0), batch.rows))
    terms = system_named(name).losses(output, batch, config.model, config.loss, "train")
    sum(t.weight * t.total / t.count for t in terms.values() if t.weight).backward()
    gradients = {n: p.grad for n, p in model.named_parameters()}
    return output, terms, gradients


def batch_for(name, videos=(0, 1, 2, 2, 2)):
    needs = configure(name, SMALL).needs()
    return example_batch(needs, example_shapes(needs), videos)


def test_coca_without_its_regularisation_is_avst_to_the_bit():
    batch = batch_for("coca")
    _, _, want = train_once("avst", batch, **{"loss.negatives": "dataset"})
    _, _, found = train_once("coca", batch, **{"loss.lambda_c": 0.0})
    assert want.keys() == found.keys()
    assert all(torch.equal(found[name], want[name]) for name in want)


def test_coca_s_shortcuts_are_a_coin_toss_where_nothing_is_another_s():
    """One video, and its own frames in place of mismatched ones."""
    batch = batch_for("coca", (0, 0, 0))
    own = torch.zeros(1, batch.audio.shape[1], dtype=torch.int64)
    negatives = Negatives(own, own, pairs=own.flatten(), visual=batch.visual)
    batch = replace(batch, negatives=negatives)
    output, terms, _ = train_once("coca", batch, **{"model.dropout": 0.0, "loss.lambda_s": 0.0})
    for name in SHORTCUTS:
        torch.testing.assert_close(output.extra[f"shortcut/{name}"], output.logits)
    total = terms["causal"].total.item()
    np.testing.assert_allclose(total, 3 * len(batch.rows) * math.log(2))


def test_coca_s_loss_is_that_of_its_equations():
    source = np.random.default_rng(0)
    logits = source.normal(size=(4, 5, 6))  # true, then the shortcuts
    answers = source.integers(6, size=5)
    extra = {f"shortcut/{n}": torch.tensor(x) for n, x in zip(SHORTCUTS, logits[1:], strict=True)}
    output = Output(torch.tensor(logits[0]), extra=extra)
    batch = replace(batch_for("coca"), answer=torch.tensor(answers), rows=torch.arange(5))
    p, *biased = (softmax(x)[np.arange(5), answers] for x in logits)
    weights = 3 * softmax(np.stack(biased, axis=1) / 0.5)
    np.testing.assert_allclose(weights.sum(axis=1), 3.0)
    want = sum(-w * np.log(p / (p + b)) for w, b in zip(weights.T, biased, strict=True))
    np.testing.assert_allclose(causal_loss(output, batch, 0.5).numpy(), want)


def test_lavish_with_shut_gates_is_avst_to_the_bit():
    batch = batch_for("lavish")
    want, _, of_avst = train_once("avst", batch, **{"loss.negatives": "dataset"})
    found, _, of_lavish = train_once("lavish", batch)
    assert torch.equal(found.logits, want.logits)
    assert all(torch.equal(of_lavish[name], gradient) for name, gradient in of_avst.items())


def open_adapter(latents="normal"):
    """An adapter with open gates."""
    torch.manual_seed(0)
    adapter = Adapter(32, 5, latents).double()
    adapter.reset_parameters()
    adapter.gates.data = torch.tensor([0.7, -1.3], dtype=torch.float64)
    return adapter


def test_an_adapter_is_that_of_its_equations():
    adapter = open_adapter()
    w = weights_of(adapter)
    source = np.random.default_rng(1)
    x, y = source.normal(size=(7, 32)), source.normal(size=(4, 32))
    s = w["latents"] + softmax(w["latents"] @ y.T) @ y
    told = x + 0.7 * softmax(x @ s.T) @ s
    hidden = np.maximum(by_groups(w["down.weight"], properties.normed(w, "before", told)), 0.0)
    want = -1.3 * properties.normed(w, "after", by_groups(w["up.weight"], hidden))
    found = adapter(torch.tensor(x), torch.tensor(y)).detach().numpy()
    np.testing.assert_allclose(found, want, atol=1e-12)


def by_groups(weight, rows):
    """A convolution of length 1 in 4 groups."""
    parts = zip(np.split(rows, 4, axis=1), np.split(weight[..., 0], 4), strict=True)
    return np.concatenate([x @ w.T for x, w in parts], axis=1)


def test_latent_tokens_that_start_at_0_stay_one_token():
    adapter = open_adapter("zero")
    optimiser = torch.optim.Adam(adapter.parameters(), lr=1e-2)
    source = torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 6, 32, generator=source, dtype=torch.float64)
    for _ in range(20):
        optimiser.zero_grad()
        adapter(x, y).sin().sum().backward()
        optimiser.step()
    assert adapter.latents.abs().max() > 1e-3
    torch.testing.assert_close(adapter.latents, adapter.latents[:1].expand(5, -1))


def test_tjstg_s_target_is_the_word_that_is_attended_to_most():
    torch.manual_seed(0)
    target = ChosenWord(16, 2).double()
    w = weights_of(target)
    source = np.random.default_rng(3)
    state, words, count = source.normal(size=(3, 16)), source.normal(size=(3, 5, 16)), [5, 2, 4]
    found = target(torch.tensor(state), torch.tensor(words), torch.tensor(count)).detach().numpy()
    for row in range(3):
        shares = attend(w, "attention", state[row, None], words[row, : count[row]], 2)[1]
        word = words[row, shares[0].argmax()]
        want = linear(w, "second", np.maximum(linear(w, "first", word), 0.0))
        np.testing.assert_allclose(found[row], want)
