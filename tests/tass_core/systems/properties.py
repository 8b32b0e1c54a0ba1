"""What every system must hold to, tried on hand-made batches."""

from dataclasses import replace

import numpy as np
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.config import TrialConfig
from tass_core.randomness import initialise, noise_key
from tass_core.systems import build_network, parameter_counts, step_losses
from tass_core.systems.protocol import Noise, Shapes

PAPER = Shapes(
    segments=10, regions=49, visual=512, audio=128, text=0, words=20, vocabulary=93, answers=42
)
"""ResNet-18, VGGish and 93 words, as the counts of parameters are told for."""

QUESTIONS = (0, 1, 1, 2)
"""The video of each question of a small batch."""


def configure(system, values=()):
    return TrialConfig().replace("system", system).with_values(dict(values))


def network(config, seed=0):
    """A network that computes in float64."""
    model = build_network(config, example_shapes(config.needs()))
    initialise(model, seed)
    return model.double().eval()


def questions(config, videos=QUESTIONS, seed=0):
    """A batch in float64 that holds what the system reads, without negatives."""
    needs = replace(config.needs(), negatives="none")
    return example_batch(needs, example_shapes(needs), videos, seed=seed)


def count(config, shapes):
    """The network's parameters, without the memory for them."""
    with torch.device("meta"):
        return parameter_counts(build_network(config, shapes))["total"]


def in_time_order(batch, order):
    """The batch with the segments of all videos in another order."""
    visual = None if batch.visual is None else batch.visual[:, order]
    return replace(batch, audio=batch.audio[:, order], visual=visual)


def in_other_order(batch, what, seed=1):
    """The batch with all its segments, or all its regions, in one other order."""
    source = torch.Generator().manual_seed(seed)
    segments = batch.audio.shape[1]
    if what == "reversed":
        return in_time_order(batch, torch.arange(segments).flip(0))
    if what == "time":
        return in_time_order(batch, torch.randperm(segments, generator=source))
    order = torch.randperm(batch.visual.shape[2], generator=source)
    return replace(batch, visual=batch.visual[:, :, order])


def assert_padding_means_nothing(config):
    """What stands after a question's last word is never read."""
    model, batch = network(config), questions(config)
    beyond = torch.arange(example_shapes(config.needs()).words) >= batch.word_count[:, None]
    assert beyond.any()
    if batch.tokens is not None:
        other = replace(batch, tokens=torch.where(beyond, 7, batch.tokens))
    else:
        other = replace(batch, words=batch.words.masked_fill(beyond[..., None], 9.0))
    torch.testing.assert_close(model(other).logits, model(batch).logits)


def assert_sees(config, *, time, place, neighbours=False):
    """The logits move with the order of segments, or of regions, exactly when they should.

    Where only neighbours are seen, they move with another order, but not with the reversed one.
    """
    model, batch = network(config), questions(config)
    for what, seen in (("reversed", time), ("time", time or neighbours), ("place", place)):
        if what == "place" and batch.visual is None:
            assert not seen
            continue
        other = model(in_other_order(batch, what)).logits
        apart = (other - model(batch).logits).abs().max()
        assert apart > 1e-4 if seen else apart < 1e-10, (what, apart)


def losses_of(config, stage):
    """The terms of a step's loss on a small batch."""
    model, batch = network(config).train(), questions(config)
    output = model(batch, Noise(noise_key(0, 1, 0), batch.rows))
    return step_losses(config, output, batch, stage)


def unlearned(config):
    """The parameters that get no gradient in training, or one of zeros.

    Their values are drawn anew, since some networks start where much is 0.
    """
    model, batch = network(config).train(), questions(config)
    source = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.3, generator=source)
    output = model(batch, Noise(noise_key(0, 1, 0), batch.rows))
    terms = step_losses(config, output, batch, "train").values()
    sum(term.weight * term.total / term.count for term in terms).backward()
    named = model.named_parameters()
    return {n for n, p in named if p.grad is None or p.grad.abs().max() < 1e-14}


def learn_by_heart(config, steps, learning_rate=3e-3, samples=64):
    """Train on one batch with answers drawn at random; return the accuracy in percent."""
    batch = questions(config, videos=tuple(range(samples)))
    model = network(config).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for step in range(steps):
        optimiser.zero_grad()
        output = model(batch, Noise(noise_key(0, 1, step), batch.rows))
        terms = step_losses(config, output, batch, "train").values()
        sum(term.weight * term.total / term.count for term in terms).backward()
        optimiser.step()
    found = model.eval()(batch).logits.argmax(dim=-1)
    return 100.0 * (found == batch.answer).double().mean().item()


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def weights_of(module):
    """A module's parameters as NumPy arrays by name."""
    return {n: p.detach().numpy() for n, p in module.named_parameters()}


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def lstm_by_hand(w, u, bias, inputs, hidden=None, cell=None):
    """The states [T, D] of an LSTM over inputs [T, C], and its last cell state."""
    hidden = np.zeros(u.shape[1]) if hidden is None else hidden
    cell = np.zeros(u.shape[1]) if cell is None else cell
    states = []
    for x in inputs:
        enter, forget, candidate, leave = np.split(w @ x + u @ hidden + bias, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states), cell


def linear(weights, name, values):
    return values @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def normed(weights, name, x):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attend(weights, name, x, y, heads):
    """x [n, D] asks y [m, D]: what it sees, and the mean of the heads' weights [n, m]."""
    q, k, v = (
        linear(weights, f"{name}.{part}", values)
        for part, values in (("query", x), ("key", y), ("value", y))
    )
    size = q.shape[1] // heads
    parts = [slice(h * size, (h + 1) * size) for h in range(heads)]
    each = [softmax(q[:, p] @ k[:, p].T / np.sqrt(size)) for p in parts]
    seen = np.concatenate([w @ v[:, p] for w, p in zip(each, parts, strict=True)], axis=1)
    return linear(weights, f"{name}.output", seen), np.mean(each, axis=0)


def ask(weights, name, question, stream, heads):
    """A question [D] attends to a stream [L, D], with feed-forward and norm."""
    seen, shares = attend(weights, name, question[None], stream, heads)
    hidden = np.maximum(linear(weights, f"{name}.feed_in", seen), 0.0)
    fed = linear(weights, f"{name}.feed_out", hidden)
    return normed(weights, f"{name}.norm", seen + fed)[0], shares[0]


def fuse(weights, name, x, others, heads, activation=lambda x: np.maximum(x, 0.0)):
    """x <- LN(x + SA(x) + sum CA(x; y)), x <- LN(x + FFN(x))."""
    seen = attend(weights, f"{name}.own", x, x, heads)[0]
    for place, other in enumerate(others):
        seen = seen + attend(weights, f"{name}.others.{place}", x, other, heads)[0]
    x = normed(weights, f"{name}.norm", x + seen)
    hidden = activation(linear(weights, f"{name}.feed_in", x))
    return normed(weights, f"{name}.norm_feed", x + linear(weights, f"{name}.feed_out", hidden))


def by_question(batch):
    """Each question's words, sound and regions as NumPy arrays."""
    for question, video in enumerate(QUESTIONS):
        words = None if batch.words is None else batch.words[question].numpy()
        yield (
            None if words is None else words[: batch.word_count[question]],
            batch.audio[video].numpy(),
            batch.visual[video].numpy(),
        )
