"""TSPM: the whole answer against NumPy written from the equations, and what it selects."""

import numpy as np
import torch

from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import ask, attend, configure, fuse, linear, weights_of

SMALL = {"model.width": 16, "model.heads": 2, "model.segments": 2}


def answer(w, sentence, audio, visual, count=2):
    """One question's logits."""
    question = linear(w, "question.project", sentence)
    prompt = linear(w, "prompt", sentence)
    a = linear(w, "project_audio", audio)
    v = linear(w, "project_frame", visual.mean(axis=1))
    heard, seen = fuse(w, "both", a, [v], 1), fuse(w, "both", v, [a], 1)
    shares = attend(w, "select", prompt[None], v, 2)[1][0]
    places = sorted(np.argsort(-shares)[:count])
    looked = []
    for place in places:
        tokens = fuse(w, "tokens", linear(w, "project_region", visual[place]), [], 1)
        looked.append(ask(w, "look", a[place], tokens, 2)[0])
    sounds, looked = a[places], np.stack(looked)
    u_a, u_v = ask(w, "ask", question, sounds, 2)[0], ask(w, "ask", question, looked, 2)[0]
    parts = [u_a, heard.mean(0), sounds.mean(0), u_v, seen.mean(0), looked.mean(0)]
    f = linear(w, "fusion", np.tanh(np.concatenate(parts)))
    return linear(w, "classify", np.tanh(f * question))


def test_the_answer_is_that_of_the_equations():
    config = configure("tspm", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    got, weights = model(batch).logits.detach().numpy(), weights_of(model)
    for row, (_, audio, visual) in enumerate(properties.by_question(batch)):
        want = answer(weights, batch.sentence[row].numpy(), audio, visual)
        np.testing.assert_allclose(got[row], want, rtol=1e-9, atol=1e-11)


def test_with_every_segment_kept_the_prompt_means_nothing():
    config = configure("tspm", {**SMALL, "model.segments": 4})
    model, batch = properties.network(config), properties.questions(config)
    before = model(batch).logits
    model.prompt.weight.data.normal_()
    torch.testing.assert_close(model(batch).logits, before)


def test_softly_chosen_segments_teach_the_prompt():
    hard, soft = (
        properties.unlearned(configure("tspm", {**SMALL, "model.select": how}))
        for how in ("hard", "soft")
    )
    learnt = {"prompt.weight", "prompt.bias", "select.query.weight", "select.query.bias"}
    assert hard - soft == learnt | {"select.key.weight"}
