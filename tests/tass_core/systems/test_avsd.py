"""AVSD: sizes, what it can see, and its attention against NumPy written from the equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tass_core.systems.avsd import AVSD
from tass_core.systems.avsd.attention import FactorGraphAttention, Pair, Within
from tass_core.training.check import check_system
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    PAPER,
    configure,
    linear,
    lstm_by_hand,
    softmax,
    weights_of,
)

SMALL = {"model.width": 8, "model.frames": 2}
GLOVE = {**SMALL, "model.encoder": "resnet18-glove"}
SHARED = {**SMALL, "model.shared": True}
VARIANTS = [SMALL, GLOVE, SHARED, {**SMALL, "model.frames": 9}]


def test_sizes_are_those_of_the_published_attention():
    config = configure("avsd", {"model.encoder": "resnet18-glove"})
    assert properties.count(config, PAPER) == 4_279_008
    for utilities, size in ((3, 987_666), (6, 3_159_606)):
        attention = FactorGraphAttention([1] * utilities, 256, 0.5)
        assert sum(p.numel() for p in attention.parameters()) == size


def test_shared_layers_give_question_and_sound_a_potential_for_each_frame():
    shared = configure("avsd", {"model.encoder": "resnet18-glove", "model.shared": True})
    apart = shared.replace("model.shared", False)
    attention = 987_666 - 15 + 2 * (4 + 10) + 5
    assert properties.count(shared, PAPER) == properties.count(apart, PAPER) - 3_159_606 + attention


@pytest.mark.parametrize("values", VARIANTS)
def test_it_keeps_the_protocol(values):
    check_system(AVSD, values)


@pytest.mark.parametrize("values", [SMALL, GLOVE, SHARED])
def test_padding_means_nothing(values):
    properties.assert_padding_means_nothing(configure("avsd", values))


@pytest.mark.parametrize("values", VARIANTS)
def test_it_sees_the_order_of_its_frames_and_no_place(values):
    properties.assert_sees(configure("avsd", values), time=AVSD.sees_time, place=AVSD.sees_place)


def test_the_order_of_sounds_means_nothing():
    config = configure("avsd", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    other = replace(batch, audio=batch.audio.flip(1))
    torch.testing.assert_close(model(other).logits, model(batch).logits)


def test_it_looks_at_evenly_spaced_frames_and_at_no_others():
    config = configure("avsd", {**SMALL, "model.frames": 2})
    model, batch = properties.network(config), properties.questions(config)
    for frame, seen in enumerate((True, False, False, True)):
        visual = batch.visual.clone()
        visual[:, frame] += 1.0
        moved = model(replace(batch, visual=visual)).logits
        assert torch.allclose(moved, model(batch).logits, atol=1e-12) is not seen


@pytest.mark.parametrize("values", VARIANTS)
def test_weights_sum_to_1(values):
    config = configure("avsd", values)
    output = properties.network(config)(properties.questions(config))
    found = [output.temporal["audio"]]
    if values in (SHARED, VARIANTS[-1]):
        found.append(output.spatial)
    else:
        assert output.spatial is None
    for weights in found:
        total = weights.sum(-1)
        torch.testing.assert_close(total, torch.ones_like(total))


def test_agreement_lies_between_minus_1_and_1():
    torch.manual_seed(0)
    one, other = 50 * torch.randn(2, 1, 5, 8), 50 * torch.randn(2, 3, 4, 8)
    of_one, of_other = Pair(8)(one, other, None, None)
    assert of_one.shape == (2, 1, 3, 5)
    assert of_other.shape == (2, 3, 1, 4)
    for found in (of_one, of_other, Within(8)(other, None)):
        assert found.abs().max() <= 1.0


@pytest.mark.parametrize("values", VARIANTS)
def test_every_parameter_learns_but_what_a_softmax_cannot_tell(values):
    """The bias of the unary score is the same for all items of a utility."""
    config = configure("avsd", values)
    named = dict(properties.network(config).named_parameters())
    assert properties.unlearned(config) == {n for n in named if n.endswith("score.bias")}


def test_64_samples_are_learnt_by_heart():
    config = configure("avsd", {**SMALL, "model.width": 24, "model.dropout": 0.0})
    assert properties.learn_by_heart(config, steps=60, learning_rate=1e-2) == 100.0


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def cosines(weights, name, x, y):
    """The table of all pairs: cos(P x_i, Q y_j)."""
    return unit(linear(weights, f"{name}.one", x)) @ unit(linear(weights, f"{name}.other", y)).T


def attend(weights, utilities, prior):
    """Factor graph attention over utilities [L, D], each with layers of its own."""
    potentials = []
    for place, x in enumerate(utilities):
        hidden = np.maximum(linear(weights, f"attention.unary.{place}.hidden", x), 0)
        alone = linear(weights, f"attention.unary.{place}.score", hidden)[:, 0]
        own = cosines(weights, f"attention.within.{place}", x, x).mean(axis=1)
        potentials.append([alone, own, prior if place == 0 else np.zeros(len(x))])
    pair = 0
    for one in range(len(utilities)):
        for other in range(one + 1, len(utilities)):
            name = f"attention.pairs.{pair}"
            table = cosines(weights, name, utilities[one], utilities[other])
            potentials[one].append(table.mean(axis=1))
            potentials[other].append(table.mean(axis=0))
            pair += 1
    return [
        softmax(linear(weights, f"attention.mix.{place}", np.stack(found, axis=1))[:, 0]) @ x
        for place, (found, x) in enumerate(zip(potentials, utilities, strict=True))
    ]


def test_the_answer_is_that_of_the_equations():
    config = configure("avsd", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    weights, got = weights_of(model), model(batch).logits.detach().numpy()
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (weights[f"lstm.{part}_l0"] for part in parts)
    for question, video in enumerate(properties.QUESTIONS):
        words = batch.words[question, : batch.word_count[question]].numpy()
        frames = [batch.visual[video, frame].numpy() for frame in (0, 3)]
        utilities = [
            linear(weights, "words.project", words),
            linear(weights, "project_audio", batch.audio[video].numpy()),
            *(linear(weights, "project_visual", frame) for frame in frames),
        ]
        prior = np.eye(len(words))[-1]
        asked, *others = attend(weights, utilities, prior)
        state = lstm_by_hand(w, u, b + c, others)[0][-1]
        want = linear(weights, "classify", np.concatenate([state, asked]))
        np.testing.assert_allclose(got[question], want, rtol=1e-9, atol=1e-11)
