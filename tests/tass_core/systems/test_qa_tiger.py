"""QA-TIGER: the whole answer against NumPy written from the equations, and its Gaussians."""

import numpy as np
import torch

from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    attend,
    configure,
    fuse,
    linear,
    normed,
    sigmoid,
    softmax,
    weights_of,
)

SMALL = {"model.width": 16, "model.heads": 2, "model.experts": 3}


def bottleneck(w, name, x):
    return linear(w, f"{name}.wide", np.maximum(linear(w, f"{name}.narrow", x), 0.0))


def gaussians(w, name, asked, count, segments):
    raw = linear(w, f"{name}.shape", asked)
    comb = np.linspace(0.5 / count, 1 - 0.5 / count, count)
    centre = np.clip(comb + np.tanh(raw[:count]) / (2 * count), 0, 1)
    sigma = np.maximum(sigmoid(raw[count:]), 0.09) / 9
    g = np.exp(-((np.linspace(0, 1, segments) - centre[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    return g / g.max(axis=1, keepdims=True)


def experts(w, name, question, context, sequences, count):
    asked = attend(w, f"{name}.attend", question[None], context, 2)[0][0]
    r = softmax(linear(w, f"{name}.route", asked))
    g = gaussians(w, name, asked, count, len(context))
    outputs = []
    for place, x in enumerate(sequences):
        each = [g[i] @ bottleneck(w, f"{name}.experts.{i}", x) for i in range(count)]
        outputs.append(normed(w, f"{name}.norms.{place}", r @ np.stack(each)))
    return outputs


def reason(w, question, parts):
    u = np.stack(parts)
    seen = attend(w, "reason.attend", question[None], u, 2)[0][0]
    return normed(w, "reason.norm", u.mean(axis=0) + bottleneck(w, "reason.feed", seen))


def answer(w, sentence, words, audio, visual):
    """One question's logits."""
    question, words = linear(w, "asked.sentence", sentence), linear(w, "asked.word", words)
    sounds = linear(w, "project_audio", audio)
    frames = linear(w, "project_frame", visual.mean(axis=1))
    a = fuse(w, "fuse", sounds, [frames, words], 2)
    v = fuse(w, "fuse", frames, [sounds, words], 2)
    p_v, p_a = [], []
    for second, regions in enumerate(visual):
        patches = linear(w, "project_region", regions)
        patches = patches + attend(w, "patches.own", patches, patches, 2)[0]
        looked = attend(w, "patches.look", np.stack([v[second], a[second]]), patches, 2)[0]
        seen, heard = bottleneck(w, "patches.feed", looked)
        p_v.append(normed(w, "patches.norm_visual", seen))
        p_a.append(normed(w, "patches.norm_audio", heard))
    (u_a,) = experts(w, "audio_experts", question, a, [a], 3)
    sequences = [v + np.stack(p_a), v + np.stack(p_v)]
    u_pa, u_pv = experts(w, "visual_experts", question, v, sequences, 3)
    f_v = reason(w, question, [u_pa, u_pv])
    return linear(w, "classify", np.maximum(reason(w, question, [f_v, u_a]), 0.0))


def test_the_answer_is_that_of_the_equations():
    config = configure("qa-tiger", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    for part in (model.audio_experts, model.visual_experts):  # thirds, to the last bit
        part.times = torch.linspace(0, 1, 4, dtype=torch.float64)
        part.comb = torch.linspace(1 / 6, 5 / 6, 3, dtype=torch.float64)
    got, weights = model(batch).logits.detach().numpy(), weights_of(model)
    for row, (words, audio, visual) in enumerate(properties.by_question(batch)):
        want = answer(weights, batch.sentence[row].numpy(), words, audio, visual)
        np.testing.assert_allclose(got[row], want, rtol=1e-8, atol=1e-10)


def test_gaussians_stay_in_their_part_of_time_and_reach_1():
    model = properties.network(configure("qa-tiger", SMALL))
    found = model.audio_experts
    asked = 20 * torch.randn(
        50, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    g = found.gaussians(asked)
    assert g.shape == (50, 3, 4)
    torch.testing.assert_close(g.amax(dim=-1), torch.ones(50, 3, dtype=torch.float64))
    assert (g >= 0).all()
    found.times = torch.linspace(0, 1, 2001, dtype=torch.float64)
    peaks = found.times[found.gaussians(asked).argmax(dim=-1)]
    for expert in range(3):
        assert (peaks[:, expert] >= expert / 3 - 1e-3).all()
        assert (peaks[:, expert] <= (expert + 1) / 3 + 1e-3).all()


def test_without_offsets_the_experts_are_a_comb():
    found = properties.network(configure("qa-tiger", SMALL)).visual_experts
    found.shape.weight.data.zero_()
    found.shape.bias.data.zero_()
    found.times = torch.linspace(0, 1, 601, dtype=torch.float64)
    peaks = found.times[found.gaussians(torch.zeros(1, 16, dtype=torch.float64)).argmax(dim=-1)]
    np.testing.assert_allclose(peaks[0].numpy(), [1 / 6, 3 / 6, 5 / 6], atol=1e-3)
