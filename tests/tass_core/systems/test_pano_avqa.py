"""LAViT: the whole answer against NumPy written from the equations, and what it can see."""

import math

import numpy as np
import torch

from tass_core.systems.pano_avqa.tokens import cells_of_frames, times_of_sounds
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import attend, configure, fuse, linear, normed, weights_of

SMALL = {"model.width": 16, "model.heads": 2, "model.cells": 3}


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def mean_first(x):
    return np.concatenate([x.mean(axis=0, keepdims=True), x])


def embed(w, name, features, places):
    parts = [mean_first(features), mean_first(places)]
    found = [
        normed(w, f"{name}.norms.{i}", linear(w, f"{name}.layers.{i}", parts[i])) for i in (0, 1)
    ]
    return (found[0] + found[1]) / 2


def layer(w, name, x):
    return fuse(w, name, x, [], 2, gelu)


def answer(w, words, audio, visual):
    """One question's logits, with every region a cell."""
    side, segments = math.isqrt(visual.shape[1]), len(visual)
    at = (np.arange(side) + 0.5) / side
    when = (np.arange(segments) + 0.5) / segments
    places = [[x, y, 1 / side, 1 / side, t] for t in when for y in at for x in at]
    spans = np.stack([when - 0.5 / segments, when + 0.5 / segments], axis=1)
    q = linear(w, "embed_words.project", words) + w["embed_words.positions.weight"][: len(words)]
    q = normed(w, "embed_words.norm", mean_first(q))
    v = embed(w, "embed_visual", visual.reshape(-1, visual.shape[-1]), np.array(places))
    a = embed(w, "embed_audio", audio, spans)
    for i in range(2):
        q = layer(w, f"language.{i}", q)
    v, a = layer(w, "visual.0", v), layer(w, "audio.0", a)
    for i in range(2):
        crossed = []
        for stream, (x, y) in enumerate([(q, a), (a, v), (v, q)]):
            seen = attend(w, f"ring.{i}.cross.{stream}", x, y, 2)[0]
            crossed.append(normed(w, f"ring.{i}.norms.{stream}", x + seen))
        q, a, v = (layer(w, f"ring.{i}.own.{s}", x) for s, x in enumerate(crossed))
    pooled = [np.tanh(linear(w, f"pools.{s}", x[0])) for s, x in enumerate((q, a, v))]
    hidden = normed(w, "norm", gelu(linear(w, "hidden", np.concatenate(pooled))))
    return linear(w, "classify", hidden)


def test_the_answer_is_that_of_the_equations():
    config = configure("pano-avqa", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    got, weights = model(batch).logits.detach().numpy(), weights_of(model)
    for row, (words, audio, visual) in enumerate(properties.by_question(batch)):
        want = answer(weights, words, audio, visual)
        np.testing.assert_allclose(got[row], want, rtol=1e-8, atol=1e-10)


def test_without_coordinates_it_sees_neither_time_nor_place():
    config = configure("pano-avqa", {**SMALL, "model.coordinates": False})
    properties.assert_sees(config, time=False, place=False)


def test_cells_are_means_of_their_regions_at_their_places():
    visual = torch.arange(2 * 3 * 16.0).view(2, 3, 16, 1)
    cells, places = cells_of_frames(visual, 2)
    assert cells.shape == (2, 12, 1)
    assert places.shape == (12, 5)
    first = visual[0, 0, :, 0].view(4, 4)
    torch.testing.assert_close(cells[0, 1, 0], first[:2, 2:].mean())
    torch.testing.assert_close(places[1], torch.tensor([0.75, 0.25, 0.5, 0.5, 1 / 6]))


def test_a_map_that_is_no_square_is_one_row():
    cells, places = cells_of_frames(torch.rand(1, 2, 6, 3), 3)
    assert cells.shape == (1, 6, 3)
    assert (places[:, 1] == 0.5).all()


def test_sounds_know_their_start_and_end():
    _, places = times_of_sounds(torch.zeros(1, 4, 2))
    torch.testing.assert_close(places[1], torch.tensor([0.25, 0.5]))
