"""AV-Master: the whole answer against NumPy, its slots, and its contrast."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.randomness import noise_key
from tass_core.systems.av_master.losses import contrast_term
from tass_core.systems.protocol import Noise, Output
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    attend,
    configure,
    fuse,
    linear,
    normed,
    softmax,
    weights_of,
)

SMALL = {"model.width": 16, "model.heads": 2, "model.inner": 12, "model.slots": 3}


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def own_attention(w, asking, values):
    """Two heads that ask and are asked with ``asking``, and see ``values``."""
    query, key = (linear(w, f"slots.own.{part}", asking) for part in ("query", "key"))
    value = linear(w, "slots.own.value", values)
    seen = [
        softmax(query[:, part] @ key[:, part].T / np.sqrt(8)) @ value[:, part]
        for part in (slice(0, 8), slice(8, 16))
    ]
    return linear(w, "slots.own.output", np.concatenate(seen, axis=1))


def slots(w, values, biases, *, biased):
    f = linear(w, "slots.embed", values)
    s = np.repeat(f[:1], 3, axis=0) + (biases if biased else 0.0)
    for frame in f:
        both = linear(w, "slots.keep", s) + linear(w, "slots.read", frame)
        s = linear(w, "slots.mix", both)
        s = normed(w, "slots.norms.0", s + own_attention(w, s + biases, s))
        # As published: attention to as many copies of the frame as there are slots.
        copies = linear(w, "slots.told.value", np.repeat(frame[None], 3, axis=0))
        alike = softmax(np.zeros((3, 3)))
        s = normed(w, "slots.norms.1", s + linear(w, "slots.told.output", alike @ copies))
        fed = linear(w, "slots.feed_out", gelu(linear(w, "slots.feed_in", s)))
        s = normed(w, "slots.norms.3", normed(w, "slots.norms.2", s + fed))
    unit = s / np.linalg.norm(s, axis=1, keepdims=True)
    return np.tanh(unit @ unit.T) @ s


def look(w, name, tokens, held):
    """Sums of x + U s over slots, as published, where the weights are those of their tanh."""
    e = tokens[:, None] + linear(w, f"{name}.slot", held)[None]
    share = softmax(linear(w, f"{name}.score", np.tanh(e))[..., 0])
    return (share[..., None] * e).sum(axis=1)


def reply(w, name, question, values):
    """Two BERT layers with the question as the query, and BERT's head."""
    x = question[None]
    for i in range(2):
        layer = f"answers.{name}.attend.{i}"
        if name == "both":
            seen = linear(w, f"{layer}.output", linear(w, f"{layer}.value", values))
        else:
            seen = attend(w, layer, x, values, 2)[0]
        x = normed(w, f"answers.{name}.norms.{2 * i}", x + seen)
        fed = linear(w, f"answers.{name}.feed_in.{i}", x)
        fed = linear(w, f"answers.{name}.feed_out.{i}", gelu(fed))
        x = normed(w, f"answers.{name}.norms.{2 * i + 1}", x + fed)
    hidden = normed(w, f"answers.{name}.norm", gelu(linear(w, f"answers.{name}.transform", x)))
    return linear(w, f"answers.{name}.classify", hidden)[0]


def answer(w, sentence, words, audio, visual, *, biased=False):
    """One question's logits."""
    question, words = linear(w, "asked.sentence", sentence), linear(w, "asked.word", words)
    a = linear(w, "project_audio", audio)
    v = linear(w, "project_frame", visual.mean(axis=1))
    of_frames = slots(w, v, w["bias_visual.weight"], biased=biased)
    of_sounds = slots(w, a, w["bias_audio.weight"], biased=biased)
    tokens = fuse(w, "join", np.concatenate([a, v, words]), [], 1)
    looked = look(w, "into_visual", tokens, of_frames), look(w, "into_audio", tokens, of_sounds)
    x = linear(w, "fusion", np.concatenate([tokens, *looked], axis=1)).max(axis=0)
    heard, seen = fuse(w, "hear", a, [words], 1), fuse(w, "see", v, [words], 1)
    parts = (("both", x[None]), ("audio", heard), ("visual", seen))
    return sum(reply(w, name, question, values) for name, values in parts)


@pytest.mark.parametrize("start", ["frame", "biased"])
def test_the_answer_is_that_of_the_equations(start):
    config = configure("av-master", {**SMALL, "model.start": start})
    model, batch = properties.network(config), properties.questions(config)
    got, w = model(batch).logits.detach().numpy(), weights_of(model)
    for row, (words, audio, visual) in enumerate(properties.by_question(batch)):
        sentence = batch.sentence[row].numpy()
        want = answer(w, sentence, words, audio, visual, biased=start == "biased")
        np.testing.assert_allclose(got[row], want, rtol=1e-8, atol=1e-10)


def read_slots(start, **noise):
    """What three slots hold after four seconds of two videos."""
    model = properties.network(configure("av-master", {**SMALL, "model.start": start}))
    values = torch.randn(2, 4, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return model, model.slots(values, model.bias_visual.weight, noise.get("noise"), 0)


def test_slots_that_start_alike_are_one_slot_but_for_dropout():
    model, alike = read_slots("frame")
    torch.testing.assert_close(alike, alike[:, :1].expand(-1, 3, -1))
    alike.sin().sum().backward()
    assert model.bias_visual.weight.grad.abs().max() < 1e-12
    noise = Noise(noise_key(0, 1, 0), torch.arange(2))
    for apart in (read_slots("frame", noise=noise)[1], read_slots("biased")[1]):
        assert (apart - apart[:, :1]).abs().max() > 1e-2


def trained_on(batch, config):
    """The output of a step of training."""
    model = properties.network(config).train()
    return model, model(batch, Noise(noise_key(0, 1, 0), batch.rows))


def test_the_contrast_compares_the_fused_feature_with_both_paths():
    config = configure("av-master", {**SMALL, "model.dropout": 0.0})
    needs = config.needs()
    batch = example_batch(needs, example_shapes(needs), properties.QUESTIONS)
    model, output = trained_on(batch, config)
    seen = {}
    for name in ("fusion", "hear", "see"):
        hook = getattr(model, name).register_forward_hook(
            lambda _module, _inputs, found, name=name: seen.setdefault(name, []).append(found)
        )
        assert hook
    model(batch, Noise(noise_key(0, 1, 0), batch.rows))
    x = np.stack(
        [
            row[: 8 + count].max(axis=0)
            for row, count in zip(
                seen["fusion"][0].detach().numpy(), batch.word_count.numpy(), strict=True
            )
        ]
    )
    for place, name in enumerate(("own", "other")):
        total = 0.0
        for path in ("hear", "see"):
            mean = seen[path][place].detach().numpy().mean(axis=1)
            norms = np.linalg.norm(x, axis=1) * np.linalg.norm(mean, axis=1)
            total = total + (x * mean).sum(axis=1) / norms
        np.testing.assert_allclose(output.extra[f"cosine/{name}"].detach().numpy(), total)


def test_the_contrast_s_loss_is_that_of_its_equation():
    own, other = np.random.default_rng(0).uniform(-2, 2, size=(2, 4))
    extra = {"cosine/own": torch.tensor(own), "cosine/other": torch.tensor(other)}
    batch = properties.questions(configure("av-master", SMALL))
    output = Output(torch.zeros(4, 6), extra=extra)
    p, n = np.exp(own / 0.1), np.exp(other / 0.1)
    term = contrast_term(output, batch, 0.1, 1.0)
    np.testing.assert_allclose(term.total.item(), -np.log(p / (p + n)).sum())
    same = replace(output, extra=dict.fromkeys(extra, extra["cosine/own"]))
    np.testing.assert_allclose(contrast_term(same, batch, 0.1, 1.0).total.item(), 4 * math.log(2))


def test_the_loss_has_an_answer_from_each_of_three():
    config = configure("av-master", SMALL)
    batch = properties.questions(config)
    _, output = trained_on(batch, config)
    parts = [output.extra[f"answer/{name}"] for name in ("both", "audio", "visual")]
    torch.testing.assert_close(sum(parts), output.logits)
    rows = np.arange(len(batch.answer))
    want = sum(-np.log(softmax(part.detach().numpy())[rows, batch.answer]).sum() for part in parts)
    found = properties.losses_of(config, "train")["qa"]
    np.testing.assert_allclose(found.total.item(), want)
