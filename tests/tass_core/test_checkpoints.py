"""Checkpoint folders: what is saved is what is loaded, and damage is named."""

import json
import shutil

import pytest
import torch

from tass_core.checkpoints import load_checkpoint, load_weights, save_checkpoint
from tass_core.errors import CheckpointError
from tass_core.training.member import Member, initial_network
from tass_core.trial import Trial, trial_key


def network(config, dataset, seed=0):
    trial = Trial(config, seed)
    return trial, initial_network(trial, dataset.shapes(config), dataset.features(config))


@pytest.fixture
def saved(base, tiny, tmp_path):
    trial, model = network(base, tiny)
    save_checkpoint(tmp_path / "it", model, trial, tiny, {"val/all": 50.0})
    return tmp_path / "it"


def test_what_is_loaded_is_what_was_saved(saved, base, tiny):
    trial, model = network(base, tiny)
    loaded = load_checkpoint(saved)
    assert (loaded.trial, loaded.key) == (trial, trial_key(trial, tiny.fingerprint))
    assert (loaded.answers, dict(loaded.metrics)) == (tiny.answers, {"val/all": 50.0})
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name


@pytest.mark.parametrize("field", ["config", "seed", "shapes", "answers", "dataset", "trial_key"])
def test_a_field_that_is_missing_is_named(field, saved):
    path = saved / "config.json"
    described = json.loads(path.read_text())
    del described[field]
    path.write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=f"config.json: '{field}' is missing"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "model.safetensors"])
def test_a_file_that_is_damaged_or_gone_is_named(name, saved):
    (saved / name).write_bytes(b"{")
    with pytest.raises(CheckpointError, match=f"{name}: damaged"):
        load_checkpoint(saved)
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: no such file"):
        load_checkpoint(saved)


def test_weights_of_another_network_are_refused_and_its_common_part_taken_when_asked(
    saved, base, tiny
):
    _, other = network(base.replace("model.temporal_grounding", False), tiny, seed=1)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match="do not fit the network"):
        load_weights(other, str(saved))
    load_weights(other, str(saved), partial=True)
    kept = load_checkpoint(saved).model.state_dict()
    for name, value in other.state_dict().items():
        fits = name in kept and kept[name].shape == value.shape
        assert torch.equal(value, kept[name] if fits else before[name]), name


def test_initial_weights_are_keyed_by_their_content(saved, base, tiny, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    folders = [saved, tmp_path / "copy"]
    trials = [Trial(base.replace("model.init_from", str(folder)), 1) for folder in folders]
    keys = {trial_key(trial, tiny.fingerprint) for trial in trials}
    assert len(keys) == 1
    member = Member(trials[0], tiny.shapes(base), tiny.features(base), "cpu")
    for name, value in load_checkpoint(saved).model.state_dict().items():
        assert torch.equal(member.model.state_dict()[name], value), name
    _, other = network(base, tiny, seed=5)
    save_checkpoint(tmp_path / "copy", other, Trial(base, 5), tiny, {})
    assert trial_key(trials[1], tiny.fingerprint) not in keys
