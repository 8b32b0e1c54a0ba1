"""Properties of the whole space of configs: one function has one key, and packs leak nothing."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tass_core.config import TrialConfig, known_fields
from tass_core.errors import ConfigError
from tass_core.systems import BUILT_IN
from tass_core.training.pack import train_pack
from tass_core.trial import Trial, structure_key, trial_key
from tests.tass_core.data.folder.small_datasets import write_small
from tests.tass_core.training.test_reproducibility import numbers

VALUES = {
    "model.tau": [0.0, 0.2, 0.3],
    "model.layers": [1, 2],
    "model.cells": [1, 2],
    "model.parts": [1, 2],
    "model.experts": [1, 3],
    "model.rounds": [1, 2],
    "model.latents": [1, 3],
    "model.width": [8, 10, 20],
    "model.heads": [1, 2, 5],
    "model.attention_dropout": [0.0, 0.1, 0.5],
    "model.dropout": [0.0, 0.2, 0.5],
    "model.init_from": ["none", "match"],
    "model.pretrain_epochs": [1, 2],
    "loss.lambda_s": [0.0, 0.5, 2.0],
    "data.t2": [1, 4, 6],
    "optimiser.epochs": [1, 2],
    "optimiser.batch_size": [2, 3],
    "optimiser.learning_rate": [1e-3, 1e-2],
    "optimiser.step_size": [1, 2, 12],
    "optimiser.gamma": [0.1, 1.0],
    "optimiser.beta1": [0.5, 0.9],
    "optimiser.beta2": [0.9, 0.999],
    "optimiser.eps": [1e-8, 1e-3],
    "optimiser.weight_decay": [0.0, 0.1],
    "loss.mccd": [0.0, 1.0],
}
"""A few values of every number and every free text, small ones."""
SMALL = {"model.width": 20, "model.heads": 2, "optimiser.epochs": 2, "optimiser.batch_size": 2}
SMALL |= {"data.t2": 4, "optimiser.learning_rate": 1e-2, "optimiser.step_size": 1}
SMALL |= {"model.layers": 1}

thorough = settings(suppress_health_check=list(HealthCheck))


def fields_of(system):
    return {name: field for name, field in known_fields(system).items() if name != "system"}


def values_of(name, field):
    if field.kind is bool:
        return [True, False]
    return list(field.choices) or VALUES.get(name) or [field.default, 2 * field.default]


@st.composite
def configs(draw, system="tass"):
    """Return a valid config that differs from a small one in any fields."""
    fields = fields_of(system)
    base = TrialConfig().replace("system", system)
    small = base.with_values({name: value for name, value in SMALL.items() if name in fields})
    some = {name: st.sampled_from(values_of(name, field)) for name, field in fields.items()}
    return changed(small, draw(st.fixed_dictionaries({}, optional=some))) or reject()


def changed(config, values):
    """Return the config with values changed, or None when they are at odds."""
    try:
        return config.with_values(values)
    except ConfigError:
        return None


def twins(config):
    """Return the configs one field away, by the field's name."""
    return [
        (name, twin)
        for name, field in fields_of(config.system).items()
        for value in values_of(name, field)
        if value != config.flat()[name] and (twin := changed(config, {name: value}))
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("small") / "dataset")


def train(configs, dataset):
    """Return what a pack of the configs' trials reports, a list for each."""
    with tempfile.TemporaryDirectory() as folder:
        trials = [Trial(config, 0) for config in configs]
        found = numbers(train_pack(trials, dataset, folder=Path(folder)))
        return [found[trial_key(trial, dataset.fingerprint)] for trial in trials]


@pytest.mark.parametrize("system", BUILT_IN)
@thorough
@given(st.data())
def test_every_valid_config_has_a_hash_which_its_canonical_form_shares(system, data):
    config = data.draw(configs(system))
    canonical = config.canonical()
    assert canonical.canonical() == canonical
    assert canonical.hash() == config.hash()
    assert structure_key(canonical) == structure_key(config)


SHOWN = ("model.tau", "loss.")
"""Fields of rivals that are tried too; dropout is the same layer in all of them."""


@settings(thorough, max_examples=15)
@given(st.data())
def test_equal_hashes_train_to_the_same_bits(small, data):
    config = data.draw(configs())
    alike = [twin for _, twin in twins(config) if twin.hash() == config.hash()]
    twin = data.draw(st.sampled_from(alike or reject()))
    assert train([config], small) == train([twin], small)


def test_two_streams_train_to_the_same_bits_whatever_is_said_of_one(small):
    dual = TrialConfig().with_values({n: v for n, v in SMALL.items() if n != "model.layers"})
    dual = dual.replace("model.structure", "dual")
    assert train([dual], small) == train([dual.replace("loss.renormalise", False)], small)


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (system, name)
        for system in BUILT_IN
        for name, field in fields_of(system).items()
        if system == "tass" or (field.free and name.startswith(SHOWN))
    ],
)
@settings(thorough, max_examples=3)
@given(st.data())
def test_a_field_splits_packs_or_leaves_each_member_its_own_bits(small, system, name, data):
    config = data.draw(configs(system))
    others = [twin for field, twin in twins(config) if field == name]
    twin = data.draw(st.sampled_from([t for t in others if t.hash() != config.hash()] or reject()))
    if structure_key(config) == structure_key(twin):
        alone = train([config], small) + train([twin], small)
        assert train([config, twin], small) == alone
