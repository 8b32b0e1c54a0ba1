"""MCAN: sizes, what it can see, and its layers against NumPy written from the equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tass_core.errors import ConfigError
from tass_core.systems.mcan import MCAN
from tass_core.training.check import check_system
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    PAPER,
    attend,
    configure,
    linear,
    softmax,
    weights_of,
)

PUBLISHED = {"model.encoder": "resnet18-glove", "model.inputs": "v"}
SMALL = {"model.width": 16, "model.heads": 2, "model.layers": 2}
GLOVE = {**SMALL, "model.encoder": "resnet18-glove"}
VARIANTS = [
    SMALL,
    GLOVE,
    {**SMALL, "model.inputs": "v", "model.visual": "regions"},
    {**SMALL, "model.inputs": "a", "loss.bce": True},
]


def test_sizes_are_those_of_the_published_network():
    vqa = replace(PAPER, vocabulary=20572, visual=2048, answers=3129)
    published = configure("mcan", PUBLISHED)
    assert properties.count(published, vqa) == 57_812_491
    assert properties.count(published, PAPER) == 47_718_184
    assert properties.count(published.replace("model.inputs", "av"), PAPER) == 47_784_232
    assert properties.count(published.replace("model.layers", 2), PAPER) == 18_292_520


@pytest.mark.parametrize("values", VARIANTS)
def test_it_keeps_the_protocol(values):
    check_system(MCAN, values)


@pytest.mark.parametrize("values", [SMALL, GLOVE])
def test_padding_means_nothing(values):
    properties.assert_padding_means_nothing(configure("mcan", values))


@pytest.mark.parametrize("values", VARIANTS)
def test_it_sees_neither_time_nor_place(values):
    properties.assert_sees(configure("mcan", values), time=MCAN.sees_time, place=MCAN.sees_place)


def test_positions_let_it_see_time():
    config = configure("mcan", {**SMALL, "model.positions": True})
    properties.assert_sees(config, time=True, place=False)


@pytest.mark.parametrize("values", VARIANTS)
def test_weights_sum_to_1(values):
    config = configure("mcan", values)
    output = properties.network(config)(properties.questions(config))
    total = sum(weights.sum(-1) for weights in output.temporal.values())
    torch.testing.assert_close(total, torch.ones_like(total))
    if output.spatial is not None:
        rows = output.spatial.sum(-1)
        torch.testing.assert_close(rows, torch.ones_like(rows))


def test_an_empty_segment_is_no_token():
    config = configure("mcan", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    longer = replace(
        batch,
        visual=torch.cat([batch.visual, torch.zeros_like(batch.visual[:, :1])], dim=1),
        audio=torch.cat([torch.zeros_like(batch.audio[:, :1]), batch.audio], dim=1),
    )
    output = model(longer)
    torch.testing.assert_close(output.logits, model(batch).logits)
    assert not output.temporal["visual"][:, -1].any()
    assert not output.temporal["audio"][:, 0].any()


@pytest.mark.parametrize("values", VARIANTS)
def test_every_parameter_learns_but_what_a_softmax_cannot_tell(values):
    """A bias that all scores of a softmax share has no effect: keys' and the pools' last."""
    config = configure("mcan", values)
    named = dict(properties.network(config).named_parameters())
    idle = {n for n in named if n.endswith(("key.bias", "score.bias"))}
    assert properties.unlearned(config) == idle


def test_64_samples_are_learnt_by_heart():
    config = configure("mcan", {**SMALL, "model.dropout": 0.0})
    assert properties.learn_by_heart(config, steps=60) == 100.0


def norm(weights, name, x):
    deviation = np.sqrt(((x - x.mean(-1, keepdims=True)) ** 2).sum(-1, keepdims=True))
    deviation /= np.sqrt(x.shape[-1] - 1)
    return (
        weights[f"{name}.gain"] * (x - x.mean(-1, keepdims=True)) / (deviation + 1e-6)
        + weights[f"{name}.bias"]
    )


def layer(weights, name, x, y, heads):
    x = norm(weights, f"{name}.norms.0", x + attend(weights, f"{name}.own", x, x, heads)[0])
    place = 1
    if y is not None:
        x = norm(weights, f"{name}.norms.1", x + attend(weights, f"{name}.guide", x, y, heads)[0])
        place = 2
    hidden = np.maximum(linear(weights, f"{name}.feed_in", x), 0.0)
    return norm(weights, f"{name}.norms.{place}", x + linear(weights, f"{name}.feed_out", hidden))


def pool(weights, name, x):
    scores = linear(weights, f"{name}.score", np.maximum(linear(weights, f"{name}.hidden", x), 0))
    return linear(weights, f"{name}.output", softmax(scores[:, 0]) @ x)


def test_the_answer_is_that_of_the_equations():
    config = configure("mcan", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    weights, got = weights_of(model), model(batch).logits.detach().numpy()
    for question, video in enumerate(properties.QUESTIONS):
        y = batch.words[question, : batch.word_count[question]].numpy()
        y = linear(weights, "words.project", y)
        frames = batch.visual[video].numpy().mean(1)
        x = [linear(weights, "project_visual", frames)]
        x = np.concatenate([*x, linear(weights, "project_audio", batch.audio[video].numpy())])
        for place in range(2):
            y = layer(weights, f"encoder.{place}", y, None, 2)
        for place in range(2):
            x = layer(weights, f"decoder.{place}", x, y, 2)
        z = pool(weights, "pool_words", y) + pool(weights, "pool_tokens", x)
        want = linear(weights, "classify", norm(weights, "norm", z))
        np.testing.assert_allclose(got[question], want, rtol=1e-9, atol=1e-11)


def test_the_logistic_loss_is_a_sum_over_answers():
    config = configure("mcan", {**SMALL, "loss.bce": True})
    model, batch = properties.network(config), properties.questions(config)
    output = model(batch)
    term = MCAN.losses(output, batch, config.model, config.loss, "train")["qa"]
    chance = 1 / (1 + np.exp(-output.logits.detach().numpy()))
    right = np.eye(chance.shape[1])[batch.answer.numpy()]
    want = -(right * np.log(chance) + (1 - right) * np.log(1 - chance)).sum()
    np.testing.assert_allclose(term.total.item(), want)
    assert term.count == len(batch.answer)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model.heads": 5}, "model.heads = 5"),
        ({"model.inputs": "a", "model.visual": "regions"}, "model.visual = 'regions' needs"),
        ({"model.init_from": "match"}, "needs a match task"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        configure("mcan", values)
