"""PSTP: the whole answer against NumPy written from the equations, and what it selects."""

from itertools import permutations

import numpy as np
import pytest
import torch

from tass_core.systems.blocks.selection import choose
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    ask,
    attend,
    configure,
    fuse,
    linear,
    weights_of,
)

SMALL = {"model.width": 16, "model.heads": 2, "model.parts": 1, "model.regions": 4}


def answer(w, sentence, words, audio, visual, *, span=2, parts=1, count=4, soft=False):
    """One question's logits; sound and frames have T segments each."""
    question = linear(w, "asked.sentence", sentence)
    words = linear(w, "asked.word", words)
    a = linear(w, "project_audio", audio)
    v = linear(w, "project_frame", visual.mean(axis=1))
    of_parts = [np.stack(np.split(x, len(x) // span)).mean(axis=1) for x in (a, v)]
    c = linear(w, "part", np.tanh(np.concatenate(of_parts, axis=1)))
    shares = attend(w, "select_part", question[None], c, 2)[1][0]
    kept = sorted(np.argsort(-shares)[:parts])
    places = [part * span + i for part in kept for i in range(span)]
    scale = [len(c) * shares[part] if soft else 1.0 for part in kept for _ in range(span)]
    heard, seen = (x[places] * np.array(scale)[:, None] for x in (a, v))
    regions, looked = [], []
    for place, factor, sound in zip(places, scale, heard, strict=True):
        patches = linear(w, "project_region", visual[place]) * factor
        share = attend(w, "select_region", question[None], patches, 2)[1][0]
        best = sorted(np.argsort(-share)[:count])
        chosen = patches[best] * (len(patches) * share[best] if soft else np.ones(count))[:, None]
        regions.append(chosen)
        looked.append(ask(w, "look", sound, chosen, 2)[0])
    with_frames = fuse(w, "both", a, [v], 1)
    with_sounds = fuse(w, "both", v, [with_frames], 1)
    looked = np.stack(looked)
    tokens = [heard, with_frames, a, seen, *regions, looked, with_sounds, v, words]
    f = fuse(w, "join", np.concatenate(tokens), [], 1).mean(axis=0)
    return linear(w, "classify", np.tanh(f * question))


def assert_answers(config, by_hand):
    model, batch = properties.network(config), properties.questions(config)
    got, weights = model(batch).logits.detach().numpy(), weights_of(model)
    for row, (words, audio, visual) in enumerate(properties.by_question(batch)):
        want = by_hand(weights, batch.sentence[row].numpy(), words, audio, visual)
        np.testing.assert_allclose(got[row], want, rtol=1e-9, atol=1e-11)


def test_the_answer_is_that_of_the_equations():
    assert_answers(configure("pstp", SMALL), answer)


def test_a_soft_choice_weighs_what_it_takes():
    def soft(*given):
        return answer(*given, soft=True)

    assert_answers(configure("pstp", {**SMALL, "model.select": "soft"}), soft)


def test_released_it_is_one_layer_on_all_tokens():
    def released(w, sentence, words, audio, visual):
        question = linear(w, "asked.sentence", sentence)
        tokens = [
            linear(w, "project_audio", audio),
            linear(w, "project_frame", visual.mean(axis=1)),
            linear(w, "asked.word", words),
        ]
        f = fuse(w, "join", np.concatenate(tokens), [], 1).mean(axis=0)
        return linear(w, "classify", np.tanh(f * question))

    assert_answers(configure("pstp-released", {"model.width": 16}), released)


@pytest.mark.parametrize("select", ["hard", "soft"])
@pytest.mark.parametrize("order", permutations(range(4)), ids=str)
def test_of_time_it_sees_which_segments_share_a_part(order, select):
    """Parts may change places, and segments within a part; other neighbours are other parts."""
    config = configure("pstp", {**SMALL, "model.select": select})
    model, batch = properties.network(config), properties.questions(config)
    other = properties.in_time_order(batch, torch.tensor(order))
    apart = (model(other).logits - model(batch).logits).abs().max()
    same = {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 1}), frozenset({2, 3})}
    assert apart < 1e-12 if same else apart > 1e-4


@pytest.mark.parametrize("values", [{"model.parts": 2}, {"model.span": 1}], ids=str)
def test_with_every_part_kept_or_parts_of_one_segment_it_sees_nothing_of_time(values):
    properties.assert_sees(configure("pstp", {**SMALL, **values}), time=False, place=False)


def test_with_every_part_and_region_kept_nothing_is_selected():
    """What selects may then have any weights."""
    config = configure("pstp", {**SMALL, "model.parts": 2, "model.regions": 9})
    model, batch = properties.network(config), properties.questions(config)
    before = model(batch).logits
    for name, parameter in model.named_parameters():
        if name.startswith("select"):
            parameter.data.normal_()
    torch.testing.assert_close(model(batch).logits, before)


def test_a_choice_has_as_many_items_as_asked_in_their_order():
    weights = torch.rand(5, 7, 11, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)
    for how in ("hard", "soft", "ste"):
        places, factors = choose(weights, 4, how)
        assert places.shape == (5, 7, 4)
        assert (places.diff(dim=-1) > 0).all()
        left = weights.scatter(-1, places, -1.0).amax(dim=-1)
        assert (weights.gather(-1, places).amin(dim=-1) >= left).all()
        if how == "ste":
            torch.testing.assert_close(factors, torch.ones_like(factors))
