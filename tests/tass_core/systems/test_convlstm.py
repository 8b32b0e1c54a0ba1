"""CONVLSTM: sizes, what it can hear, and its parts against NumPy written from the equations."""

import numpy as np
import pytest
import torch

from tass_core.systems import build_network, parameter_counts
from tass_core.systems.convlstm import CONVLSTM
from tass_core.training.check import check_system
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import PAPER, configure, linear, lstm_by_hand, weights_of

SMALL = {"model.width": 8, "model.filters": 2, "model.blocks": 3}
GLOVE = {**SMALL, "model.encoder": "resnet18-glove"}
VARIANTS = [
    SMALL,
    {**GLOVE, "model.layers": 1},
    {**GLOVE, "model.inputs": "av"},
    {**SMALL, "model.convolution": "temporal"},
]


def test_sizes_are_those_of_the_published_network():
    config = configure("convlstm", {"model.encoder": "resnet18-glove"})
    with torch.device("meta"):
        counts = parameter_counts(build_network(config, PAPER))
    assert counts["convolve"] == 1_180_464
    assert counts["hear"] == 5_251_072
    assert counts["read"] == 3_678_208
    assert counts["total"] == 11_226_202
    # The published one pools the 64 mel bins to 2, not 128 to 4, and its first filter is 12x3.
    assert counts["total"] - 4 * 512 * 256 * 2 + 16 * (12 * 3 - 3 * 3) == 10_178_058


@pytest.mark.parametrize("values", VARIANTS)
def test_it_keeps_the_protocol(values):
    check_system(CONVLSTM, values)


def test_padding_means_nothing():
    properties.assert_padding_means_nothing(configure("convlstm", GLOVE))


@pytest.mark.parametrize("values", VARIANTS)
def test_it_hears_time_and_sees_no_place(values):
    config = configure("convlstm", values)
    properties.assert_sees(config, time=CONVLSTM.sees_time, place=CONVLSTM.sees_place)


def test_it_does_not_look():
    assert "visual" not in configure("convlstm").needs().arrays
    assert "visual" in configure("convlstm", {"model.inputs": "av"}).needs().arrays


@pytest.mark.parametrize("values", VARIANTS)
def test_every_parameter_learns(values):
    assert properties.unlearned(configure("convlstm", values)) == set()


def test_64_samples_are_learnt_by_heart():
    config = configure("convlstm", {**SMALL, "model.width": 16, "model.filters": 4})
    assert properties.learn_by_heart(config, steps=80, learning_rate=1e-2) == 100.0


def test_fields_of_the_other_convolution_are_idle():
    temporal = configure("convlstm", {"model.convolution": "temporal"})
    assert temporal.hash() == temporal.replace("model.filters", 3).hash()


def convolution(weight, bias, image):
    """3x3 over image [C, T, F], padded with zeros."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    _, times, bins = image.shape
    found = np.zeros((len(weight), times, bins))
    for time in range(times):
        for place in range(bins):
            window = padded[:, time : time + 3, place : place + 3]
            found[:, time, place] = (weight * window).sum(axis=(1, 2, 3)) + bias
    return found


def normalised(weight, bias, image):
    centred = (image - image.mean()) / np.sqrt(image.var() + 1e-5)
    return weight[:, None, None] * centred + bias[:, None, None]


def lstm(weights, name, layer, inputs):
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (weights[f"{name}.{part}_l{layer}"] for part in parts)
    return lstm_by_hand(w, u, b + c, inputs)[0]


def test_the_answer_is_that_of_the_equations():
    config = configure("convlstm", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    weights, got = weights_of(model), model(batch).logits.detach().numpy()
    for question, video in enumerate(properties.QUESTIONS):
        image = batch.audio[video].numpy()[None]
        for block in range(3):
            for place in (0, 3):
                name = f"convolve.blocks.{block}"
                part = weights[f"{name}.{place}.weight"], weights[f"{name}.{place}.bias"]
                image = convolution(*part, image)
                part = weights[f"{name}.{place + 1}.weight"], weights[f"{name}.{place + 1}.bias"]
                image = np.maximum(normalised(*part, image), 0.0)
            odd = image.shape[2] % 2
            image = np.pad(image, ((0, 0), (0, 0), (0, odd)), constant_values=-np.inf)
            image = np.maximum(image[:, :, 0::2], image[:, :, 1::2])
        heard = image.transpose(1, 0, 2).reshape(image.shape[1], -1)
        for layer in range(2):
            heard = lstm(weights, "hear", layer, heard)
        asked = linear(weights, "project", batch.sentence[question].numpy())
        hidden = linear(weights, "hidden", np.concatenate([heard[-1], asked]))
        want = linear(weights, "classify", np.maximum(hidden, 0.0))
        np.testing.assert_allclose(got[question], want, rtol=1e-9, atol=1e-11)
