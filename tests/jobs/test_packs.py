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
    assert Pack(wanted).key != Pack(wanted, since=2).key
    assert Pack(wanted).key != Pack(trials(*TAUS[:2])).key


@pytest.mark.parametrize("pruner", [None, Halving(4, 1), Wilcoxon(0.05, 3)])
def test_plain_data_describes_a_pack_completely(pruner):
    members = trials(*TAUS[:2], seeds=(3,))
    pack = Pack(members, pruner, 2, 6, dict.fromkeys(members, "another"))

    again = Pack.from_dict(pack.to_dict())

    assert again.key == pack.key
    assert again.origins == pack.origins
    assert dict(again.members) == dict(pack.members)


def test_a_run_ends_at_the_next_rung_where_there_are_rungs():
    wanted = trials(*TAUS[:2])

    assert Pack(wanted, Halving(3, 2)).until == 2
    assert Pack(wanted, Halving(3, 2), since=2).until == 6
    assert Pack(wanted, Wilcoxon()).until is None
    assert Pack(wanted).until is None


def test_a_part_of_a_pack_goes_on_from_it():
    pack = Pack(trials(*TAUS[:3]), Halving(), since=2)
    first, second, _ = pack.members

    part = pack.part([first, second], pack.pruner)

    assert (part.pruner, part.since) == (pack.pruner, 2)
    assert part.origins == {first: pack.key, second: pack.key}
    assert pack.part([first]).pruner is None
