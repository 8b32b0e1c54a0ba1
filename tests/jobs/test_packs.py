"""A pack is its content, and plain data describes all of it."""

import pytest

from jobs.packs import Pack
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving, Wilcoxon
from tass_core.trial import Trial, trial_key


def trials(*overrides, seeds=(0,)):
    found = {}
    for seed in seeds:
        for values in overrides:
            trial = Trial(TrialConfig().with_values(values), seed)
            found[trial_key(trial, "world")] = trial
    return found


TAUS = [{"model.tau": tau / 1000} for tau in range(1, 14)]


def test_pack_key_is_its_content():
    wanted = trials(*TAUS[:3])
    turned = dict(reversed(wanted.items()))

    assert Pack(wanted).key == Pack(turned).key
    assert Pack(wanted).key != Pack(wanted, Halving()).key
    assert Pack(wanted).key != Pack(wanted, attempt=1).key
    assert Pack(wanted).key != Pack(trials(*TAUS[:2])).key


@pytest.mark.parametrize("pruner", [None, Halving(4, 1), Wilcoxon(0.05, 3)])
def test_plain_data_describes_a_pack_completely(pruner):
    pack = Pack(trials(*TAUS[:2], seeds=(3,)), pruner, attempt=2)

    again = Pack.from_dict(pack.to_dict())

    assert again.key == pack.key
    assert dict(again.members) == dict(pack.members)
