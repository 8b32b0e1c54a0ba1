"""MCCD: its loss against NumPy, and that it leaves every system what it is without."""

import re

import numpy as np
import pytest
import torch

from tass_core.config import TrialConfig, known_fields
from tass_core.errors import ConfigError
from tass_core.randomness import noise_key
from tass_core.systems import BUILT_IN, loss_terms, system_named
from tass_core.systems.blocks.biases import debiasing_term
from tass_core.systems.protocol import Noise, Output
from tass_core.training.check import check_system
from tass_core.training.groups import make_stacks
from tass_core.trial import Trial, structure_key, trial_key
from tests import ROOT
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import configure, linear, softmax, weights_of
from tests.tass_core.training.test_groups import compare, make_members

NARROW = {"model.width": 16, "model.heads": 2, "model.layers": 1, "model.blocks": 2}
PUBLISHED = {"loss.mccd": 1.0}


def small(system):
    return {name: value for name, value in NARROW.items() if name in known_fields(system)}


def by_hand(z, q=None, a=None, v=None):
    """MCCD's loss of every question [B], from logits [B, answers]."""
    alone = [x for x in (q, a, v) if x is not None]
    found = sum(0.01 * 0.333 / (np.sqrt(((z - x) ** 2).sum(axis=1)) + 1e-5) for x in alone)
    for one, other in ((q, a), (v, q), (a, v)):
        if one is not None and other is not None:
            p = softmax(one)
            found = found + 0.333 * 0.333 * (p * np.log(p / softmax(other))).sum(axis=1)
    return found


def draw(parts):
    """Random logits [4, 6] of the answer and of every part."""
    return np.random.default_rng(0).normal(size=(1 + len(parts), 4, 6))


@pytest.mark.parametrize("parts", ["qav", "qa", "qv"])
def test_the_loss_is_that_of_its_equation(parts):
    names, drawn = {"q": "question", "a": "audio", "v": "visual"}, draw(parts)
    alone = dict(zip(parts, drawn[1:], strict=True))
    extra = {f"alone/{names[part]}": torch.tensor(x) for part, x in alone.items()}
    batch = properties.questions(configure("avst"))
    term = debiasing_term(Output(torch.tensor(drawn[0]), extra=extra), batch, 0.5)
    np.testing.assert_allclose(term.total.item(), by_hand(drawn[0], **alone).sum(), rtol=1e-12)
    assert (term.count, term.weight) == (len(batch.answer), 0.5)


def test_nothing_is_detached():
    batch = properties.questions(configure("avst"))

    def total(answer, *alone):
        extra = dict(zip(("alone/question", "alone/audio", "alone/visual"), alone, strict=True))
        return debiasing_term(Output(answer, extra=extra), batch, 1.0).total

    given = tuple(torch.tensor(x, requires_grad=True) for x in draw("qav"))
    assert torch.autograd.gradcheck(total, given)


def test_the_heads_read_the_network_s_features():
    config = configure("avst", small("avst") | PUBLISHED)
    model, batch = properties.network(config).train(), properties.questions(config)
    output, w = model(batch, Noise(noise_key(0, 1, 0), batch.rows)), weights_of(model)
    question = linear(w, "question.project", batch.sentence.numpy())
    sound = linear(w, "project_audio.0", batch.audio.numpy())
    sound = linear(w, "project_audio.2", np.maximum(sound, 0.0)).mean(axis=1)
    for name, feature in (("question", question), ("audio", sound[batch.video.numpy()])):
        head, hidden = f"biases.heads.{name}", feature
        for layer in (0, 2):
            hidden = np.maximum(linear(w, f"{head}.{layer}", hidden), 0.0)
        found = output.extra[f"alone/{name}"].detach().numpy()
        np.testing.assert_allclose(found, linear(w, f"{head}.4", hidden), rtol=1e-9)


@pytest.mark.parametrize("system", BUILT_IN)
def test_it_keeps_the_protocol_with_every_system(system):
    check_system(system_named(system), small(system) | PUBLISHED)


@pytest.mark.parametrize("system", BUILT_IN)
def test_answers_are_to_the_bit_those_of_the_network_without_it(system):
    plain = configure(system, small(system))
    debiased = plain.with_values(PUBLISHED)
    batch = properties.questions(plain)
    want, found = (properties.network(config) for config in (plain, debiased))
    assert torch.equal(found(batch).logits, want(batch).logits)
    assert not found(batch).extra
    noise = Noise(noise_key(0, 1, 0), batch.rows)
    assert torch.equal(*(model.train()(batch, noise).logits for model in (found, want)))
    assert loss_terms(debiased) == (*loss_terms(plain), "mccd")


@pytest.mark.parametrize("system", BUILT_IN)
def test_at_its_default_it_is_in_no_key(system):
    config = TrialConfig().replace("system", system)
    debiased = config.with_values(PUBLISHED)
    assert "mccd" not in config.to_json()
    assert TrialConfig.from_json(debiased.to_json()) == debiased
    keys = [trial_key(Trial(it, 0), "data") for it in (config, debiased)]
    assert keys[0] != keys[1]
    assert structure_key(config) == structure_key(debiased)


def test_members_train_stacked_as_they_do_alone(base, tiny):
    config = base.with_values({"system": "avst", "model.width": 32, "loss.mccd": 0.5})
    compare([config, config.replace("loss.mccd", 2.0)], tiny, epochs=(1,))


def test_members_without_its_heads_are_in_another_stack(base, tiny):
    configs = [base.replace("loss.mccd", weight) for weight in (0.0, 1.0, 2.0)]
    assert [len(stack) for stack in make_stacks(make_members(configs, tiny), 9)] == [1, 2]


def test_pretraining_goes_without_it():
    config = configure("avst", small("avst") | PUBLISHED | {"model.init_from": "match"})
    assert "mccd" not in properties.losses_of(config, "pretrain")
    assert "mccd" in properties.losses_of(config, "train")


def test_64_samples_are_learnt_by_heart_beside_it():
    values = {"model.width": 32, "model.dropout": 0.0, "loss.lambda_s": 0.0}
    config = configure("avst", values | PUBLISHED)
    assert properties.learn_by_heart(config, steps=40, learning_rate=1e-2) == 100.0


def test_a_system_without_features_is_told(install):
    module = (ROOT / "examples" / "mynet" / "mynet.py").read_text()
    place = "from tass_core.systems.protocol"
    imported = f"from tass_core.systems.debiasing import Debiased\n{place}"
    install(module.replace("class Loss:", "class Loss(Debiased):").replace(place, imported))
    message = "loss.mccd = 1 needs features of question, sound and frames, of which system 'mynet'"
    with pytest.raises(ConfigError, match=re.escape(message)):
        TrialConfig().with_overrides(["system=mynet", "loss.mccd=1"])
