"""AVST: its size, what it cannot see, and its core against NumPy written from the equations."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.checkpoints import load_checkpoint
from tass_core.errors import ConfigError
from tass_core.evaluation.answering import evaluate
from tass_core.randomness import noise_key
from tass_core.systems.avst import AVST
from tass_core.systems.protocol import Noise
from tass_core.training.check import check_system
from tass_core.training.pack import train_pack
from tass_core.training.results import TrialResult
from tass_core.trial import Trial
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import PAPER, configure, linear, softmax, weights_of
from tests.tass_core.training.test_groups import compare

SMALL = {"model.width": 16, "model.heads": 2}
GLOVE = {**SMALL, "model.encoder": "resnet18-glove"}
VARIANTS = [SMALL, GLOVE, {**SMALL, "loss.negatives": "dataset"}, {**SMALL, "loss.lambda_s": 0.0}]


def test_its_size_is_that_of_the_published_network():
    published = configure("avst", {"model.encoder": "resnet18-glove"})
    assert properties.count(published, PAPER) == 7_916_716


@pytest.mark.parametrize("values", VARIANTS)
def test_it_keeps_the_protocol(values):
    check_system(AVST, values)


@pytest.mark.parametrize("values", [SMALL, GLOVE])
def test_it_sees_neither_time_nor_place(values):
    properties.assert_sees(configure("avst", values), time=AVST.sees_time, place=AVST.sees_place)


def test_with_a_steady_sound_every_map_depends_on_its_image_alone():
    config = configure("avst", SMALL)
    model, batch = properties.network(config), properties.questions(config)
    steady = replace(batch, audio=batch.audio[:, :1].expand_as(batch.audio))
    order = torch.tensor([2, 0, 3, 1])
    moved = replace(steady, visual=batch.visual[:, order])
    torch.testing.assert_close(model(moved).spatial, model(steady).spatial[:, order])


def test_a_frame_is_its_mean_and_the_regions_that_the_sound_picks():
    """v = W tanh[mean_i r_i; sum_i s_i r_i / |r_i|], s = softmax_i(cos(r_i, a))."""
    model = properties.network(configure("avst", SMALL))
    source = np.random.default_rng(0)
    maps, audio = source.normal(size=(5, 9, 16)), source.normal(size=(5, 16))
    v, weights = model.look(torch.from_numpy(maps), torch.from_numpy(audio))
    for frame in range(5):
        regions = maps[frame] / np.linalg.norm(maps[frame], axis=-1, keepdims=True)
        s = softmax(regions @ audio[frame] / np.linalg.norm(audio[frame]))
        both = np.concatenate([maps[frame].mean(axis=0), s @ regions])
        np.testing.assert_allclose(weights[frame].detach().numpy(), s, atol=1e-12)
        want = linear(weights_of(model), "ground", np.tanh(both))
        np.testing.assert_allclose(v[frame].detach().numpy(), want, atol=1e-12)


def test_the_match_task_begins_as_a_coin_toss():
    config = configure("avst", {"model.width": 64})
    needs, model = config.needs(), properties.network(config)
    batch = example_batch(needs, example_shapes(needs), properties.QUESTIONS)
    output = model(batch, Noise(noise_key(0, 1, 0), batch.rows))
    term = AVST.losses(output, batch, config.model, config.loss, "train")["s"]
    assert term.count == 2 * 4 * 4
    assert term.total.item() / term.count == pytest.approx(math.log(2), abs=0.05)
    assert term.weight == 0.5


def test_it_can_learn_a_batch_by_heart():
    config = configure("avst", {"model.width": 32, "loss.lambda_s": 0.0})
    assert properties.learn_by_heart(config, steps=60) == 100.0


def test_members_train_stacked_as_they_do_alone(base, tiny):
    config = base.with_values({"system": "avst", **SMALL, "model.init_from": "match"})
    compare([config, config.replace("loss.lambda_s", 2.0)], tiny, epochs=(0, 1))


def test_it_trains_and_its_checkpoint_answers(base, tiny, tmp_path):
    values = {"system": "avst", "model.init_from": "match", "optimiser.epochs": 1, **SMALL}
    trials = [Trial(base.with_values(values | {"model.dropout": p}), 0) for p in (0.1, 0.3)]
    events = train_pack(trials, tiny, folder=tmp_path)
    ends = [event for event in events if isinstance(event, TrialResult)]
    loaded = load_checkpoint(ends[0].weights)
    assert loaded.trial == trials[0]
    found = evaluate(loaded.model, tiny, loaded.trial.config, "test")
    assert found.metrics["all"] == ends[0].metrics["test/all"]
    assert {"ground/spatial", "ground/temporal"} <= ends[0].metrics.keys()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"loss.lambda_s": 0.0, "loss.negatives": "dataset"}, {"loss.lambda_s": 0.0}),
        ({"model.pretrain_epochs": 5}, {}),
    ],
)
def test_one_function_has_one_key(one, other):
    assert configure("avst", one).hash() == configure("avst", other).hash()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model.heads": 5}, r"model\.heads = 5.*for instance 510"),
        ({"model.init_from": "match", "loss.lambda_s": 0.0}, "needs the match task"),
        ({"model.tau": 0.1}, r"unknown field 'model\.tau'"),
    ],
)
def test_what_it_has_no_use_for_is_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        configure("avst", values)
