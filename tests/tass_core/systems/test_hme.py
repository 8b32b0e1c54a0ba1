"""HME: sizes, what it can see, and all of it against NumPy written from the equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tass_core.systems.hme import HME
from tass_core.training.check import check_system
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import (
    PAPER,
    configure,
    linear,
    lstm_by_hand,
    sigmoid,
    softmax,
    weights_of,
)

SMALL = {"model.width": 8, "model.slots": 3}
GLOVE = {**SMALL, "model.encoder": "resnet18-glove"}
VARIANTS = [SMALL, GLOVE, {**SMALL, "model.motion": "difference"}]


def test_sizes_are_those_of_the_published_network_without_what_it_never_uses():
    config = configure("hme", {"model.encoder": "resnet18-glove"})
    idle_layers, idle_encoder = 2 * (512 * 512 + 512), 2_097_664
    assert properties.count(config, PAPER) + idle_layers == 28_135_311
    msvd = replace(PAPER, vocabulary=4000, visual=4096, audio=4096, answers=1000)
    assert properties.count(config, msvd) + idle_layers + idle_encoder == 48_344_017


@pytest.mark.parametrize("values", VARIANTS)
def test_it_keeps_the_protocol(values):
    check_system(HME, values)


@pytest.mark.parametrize("values", [SMALL, GLOVE])
def test_padding_means_nothing(values):
    properties.assert_padding_means_nothing(configure("hme", values))


@pytest.mark.parametrize("values", VARIANTS)
def test_it_sees_time_and_no_place(values):
    properties.assert_sees(configure("hme", values), time=HME.sees_time, place=HME.sees_place)


@pytest.mark.parametrize("values", VARIANTS)
def test_weights_of_each_stream_sum_to_1(values):
    config = configure("hme", values)
    output = properties.network(config)(properties.questions(config))
    assert len(output.temporal) == 2
    for weights in output.temporal.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones(4, dtype=torch.float64))


def test_nothing_is_read_of_a_memory_before_anything_is_written():
    """With one segment what is written is never read: only what the state itself takes in."""
    memory = properties.network(configure("hme", SMALL)).visual_memory
    streams = [torch.randn(2, 1, 8, dtype=torch.float64) for _ in range(2)]
    want = torch.relu(memory.state.bias).expand(2, 1, -1)
    torch.testing.assert_close(memory(streams), want)


def test_memories_start_small_and_the_first_level_of_reasoning_does_not():
    model = properties.network(configure("hme", {"model.width": 64}))
    assert model.visual_memory.state.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert model.reasoning.glance.attend_words.value.weight.std().item() == pytest.approx(
        0.1, rel=0.1
    )
    assert not model.question_memory.read.bias.any()


@pytest.mark.parametrize("values", VARIANTS)
def test_every_parameter_learns(values):
    assert properties.unlearned(configure("hme", values)) == set()


def test_64_samples_are_learnt_by_heart():
    config = configure("hme", {**SMALL, "model.width": 24, "model.dropout": 0.0})
    assert properties.learn_by_heart(config, steps=40, learning_rate=2e-2) == 100.0


class ByHand:
    """The network for one question, in NumPy."""

    def __init__(self, weights):
        self.weights = weights

    def product(self, name, *values):
        return linear(self.weights, name, np.concatenate(values, axis=-1))

    def two_layers(self, name, inputs, start=(None, None)):
        """Both layers' states, and (h, c) of each at the end."""
        ends, states = [], []
        for layer, begin in zip(("first", "second"), start, strict=True):
            w, u, b, c = (
                self.weights[f"{name}.{layer}.{part}"]
                for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            inputs, cell = lstm_by_hand(w, u, b + c, inputs, *(begin or (None, None)))
            states.append(inputs)
            ends.append((inputs[-1], cell))
        return states, ends

    def attend(self, name, values, query):
        hidden = np.tanh(
            self.product(f"{name}.value", values) + self.product(f"{name}.query", query)
        )
        return softmax(self.product(f"{name}.score", hidden)[:, 0]) @ values

    def visual_memory(self, streams, slots, name="visual_memory"):
        h = np.zeros(streams[0].shape[1])
        own, memory, states = [h, h], np.zeros((slots, len(h))), []
        for x in zip(*streams, strict=True):
            r = softmax(self.product(f"{name}.read", *own, h)) @ memory
            e = softmax(self.product(f"{name}.rates", *own, h))
            new = e[0] * memory
            for i in range(2):
                content = np.maximum(self.product(f"{name}.contents.{i}", own[i], x[i]), 0)
                place = softmax(self.product(f"{name}.places.{i}", own[i], x[i]))
                new = new + e[i + 1] * np.outer(place, content)
            h, memory = np.maximum(self.product(f"{name}.state", r, h), 0), new
            own = [
                np.maximum(self.product(f"{name}.own.{i}", x[i], r, own[i]), 0) for i in range(2)
            ]
            states.append(h)
        return np.stack(states)

    def question_memory(self, words, slots, name="question_memory"):
        h, states = np.zeros(words.shape[1]), []
        memory = np.zeros((slots, words.shape[1]))
        for x in words:
            r = softmax(self.product(f"{name}.read", x, h)) @ memory
            r = sigmoid(self.product(f"{name}.read_gate", x, h)) * r
            place = softmax(self.product(f"{name}.place", x, h))
            gate = sigmoid(self.product(f"{name}.write_gate", x, h))
            content = np.maximum(self.product(f"{name}.content", x, h), 0)
            memory = gate * np.outer(place, content) + (1 - place)[:, None] * memory
            h = np.maximum(self.product(f"{name}.state", x, r, h), 0)
            states.append(h)
        return np.stack(states)

    def glance(self, s, video, words, name="reasoning.glance"):
        v = self.attend(f"{name}.attend_video", video, s)
        t = self.attend(f"{name}.attend_words", words, s)
        state = self.product(f"{name}.state_weight", s)
        pair = [self.product(f"{name}.video_weight", v), self.product(f"{name}.words_weight", t)]
        scores = np.array([self.product(f"{name}.score", np.tanh(p + state))[0] for p in pair])
        b_v, b_t = softmax(scores)
        both = b_v * self.product(f"{name}.from_video", v)
        both = both + b_t * self.product(f"{name}.from_words", t)
        return np.tanh(self.product(f"{name}.from_state", s) + both)

    def reason(self, ends, video, words):
        o, states = np.tanh(self.product("reasoning.start", *ends)), (None, None)
        for step in range(3):
            _, states = self.two_layers("reasoning.lstm", o[None], states)
            s = states[1][0]
            if step < 2:
                o = np.tanh(self.product("reasoning.next", s, self.glance(s, video, words)))
        return np.concatenate([h for h, _ in states])

    def answer(self, words, frames, audio, slots):
        _, question = self.two_layers("text", words)
        (a, a_end), (m, m_end) = (
            self.two_layers(f"streams.{i}", x, question) for i, x in enumerate((frames, audio))
        )
        start = [
            (a_end[layer][0] + m_end[layer][0], np.zeros_like(a_end[layer][1])) for layer in (0, 1)
        ]
        asked, question = self.two_layers("text", words, start)
        s_t = np.concatenate([h for h, _ in question])
        x_a, x_m = (
            self.attend(f"attend.{i}", np.concatenate(x, axis=1), s_t) for i, x in enumerate((a, m))
        )
        reasoned = self.reason(
            (a_end[1][0], m_end[1][0]),
            self.visual_memory((a[1], m[1]), slots),
            self.question_memory(asked[1], slots),
        )
        parts = [
            np.tanh(self.product(f"readouts.{i}", x)) for i, x in enumerate((x_a, x_m, reasoned))
        ]
        return self.product("classify", *parts)


def test_the_answer_is_that_of_the_equations():
    config = configure("hme", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    source = torch.Generator().manual_seed(1)
    for parameter in model.parameters():  # away from the small initial weights
        parameter.data.normal_(std=0.5, generator=source)
    by_hand, got = ByHand(weights_of(model)), model(batch).logits.detach().numpy()
    for question, video in enumerate(properties.QUESTIONS):
        words = batch.words[question, : batch.word_count[question]].numpy()
        frames, audio = batch.visual[video].numpy().mean(1), batch.audio[video].numpy()
        want = by_hand.answer(words, frames, audio, slots=3)
        np.testing.assert_allclose(got[question], want, rtol=1e-9, atol=1e-11)
