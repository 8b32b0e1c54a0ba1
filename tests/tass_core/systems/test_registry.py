"""What the built-in systems say of themselves."""

import re

import pytest
import torch

from tass_core.config import TrialConfig, known_fields
from tass_core.errors import ConfigError
from tass_core.systems import BUILT_IN, build_network, system_named, system_source
from tass_core.training.check import check_system
from tass_core.trial import Trial, structure_key, trial_key
from tests import ROOT
from tests.tass_core.systems import properties
from tests.tass_core.systems.properties import PAPER


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_system_says_how_near_the_published_one_it_is(name):
    system = system_named(name)
    assert system.name == name
    assert system.fidelity is not None
    assert system.differs
    assert "\n" not in system.differs


def test_tass_sees_time_and_not_place():
    tass = system_named("tass")
    config = properties.configure("tass", {"model.width": 16, "model.heads": 2})
    properties.assert_sees(config, time=tass.sees_time, place=tass.sees_place)


PAGE = (ROOT / "docs" / "systems.md").read_text()
ROWS = re.findall(
    r"^\| `([\w-]+)` \| (\w+) \| (yes|no) \| (yes|no) \| ([\d,]+) \| ([\d,]*) ?\|$",
    PAGE,
    re.MULTILINE,
)


def test_the_page_holds_every_rival():
    assert {name for name, *_ in ROWS} == BUILT_IN.keys() - {"tass"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_says_what_a_system_says_of_itself(row):
    name, *said = row
    system = system_named(name)
    config = properties.configure(name, {"model.encoder": "resnet18-glove"})
    with torch.device("meta"):
        named = dict(build_network(config, PAPER).named_parameters())
    free = tuple(f"{part}." for part in system.gradient_free(config.model, config.loss))
    idle = [n for n in named if free and f"{n}.".startswith(free)]
    sizes = [sum(named[n].numel() for n in names) for names in (named, idle)]
    sees = ["yes" if seen else "no" for seen in (system.sees_time, system.sees_place)]
    assert said == [system.fidelity, *sees, f"{sizes[0]:,}", f"{sizes[1]:,}" if idle else ""]


MODULE = (ROOT / "examples" / "mynet" / "mynet.py").read_text()


def test_a_package_adds_a_system_by_an_entry_point(install):
    install(MODULE)
    check_system(system_named("mynet"))
    config = TrialConfig().with_overrides(["system=mynet", "loss.scale=2"])
    assert config.hash() != config.replace("loss.scale", 1.0).hash()
    assert structure_key(config) == structure_key(config.replace("loss.scale", 1.0))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere.at_all:MYNET", "nowhere.at_all:MYNET cannot be imported"),
        ("mynet_package:MINE", "has no attribute 'MINE'"),
        ("mynet_package:answer_term", "answer_term is a function, not a System"),
    ],
)
def test_a_package_that_names_no_system_is_told(value, words, install):
    install(MODULE, value)
    with pytest.raises(ConfigError, match=re.escape(words)):
        TrialConfig().replace("system", "mynet")


def test_an_unknown_system_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"'avts' is not one of .*; did you mean 'avst'\?"):
        TrialConfig().with_overrides(["system=avts"])


def test_another_system_keeps_what_the_base_had_changed_where_it_has_the_field():
    base = TrialConfig().with_values({"model.width": 64, "model.tau": 0.1, "optimiser.epochs": 3})
    other = base.replace("system", "avst")
    assert (other.model.width, other.optimiser.epochs) == (64, 3)
    assert other.model.dropout == known_fields("avst")["model.dropout"].default
    assert "model.tau" not in other.flat()
    assert other.replace("system", "tass").model.tau == TrialConfig().model.tau


def test_a_config_of_another_system_comes_back_from_json_and_overrides():
    config = TrialConfig().with_overrides(["system=avst", "model.dropout=0.3"])
    assert TrialConfig.from_json(config.to_json()) == config
    assert config.flat()["system"] == "avst"
    assert config.with_overrides(["model.dropout=0.1"]).model.dropout == 0.1


def test_keys_from_before_there_were_systems_stay_valid():
    assert "system" not in TrialConfig().to_dict()
    assert "system" not in TrialConfig().flat()
    assert TrialConfig().hash() == "760ecc6f37b89225"


def test_two_systems_never_share_a_pack():
    assert structure_key(TrialConfig()) != structure_key(TrialConfig().replace("system", "avst"))


def test_changed_source_is_another_trial(install):
    keys = []
    for module in (MODULE, MODULE, MODULE.replace("128", "129"), MODULE + "\n"):
        install(module)
        keys.append(trial_key(Trial(TrialConfig().replace("system", "mynet"), 0), "data"))
    assert keys[0] == keys[1]
    assert len({*keys}) == 3


def test_the_source_of_a_built_in_system_is_told_by_its_version():
    assert all(system_source(name) is None for name in BUILT_IN)
