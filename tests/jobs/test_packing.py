"""Who trains together, and which interrupted packs are taken up again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.packing import LARGEST, adopt, choose_packs, choose_size, interrupted, make_packs
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.saved import SavedPack
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving
from tass_core.trial import Trial, structure_key, trial_key


def trials(*overrides, seeds=(0,)):
    found = {}
    for seed in seeds:
        for values in overrides:
            trial = Trial(TrialConfig().with_values(values), seed)
            found[trial_key(trial, "world")] = trial
    return found


TAUS = [{"model.tau": tau / 1000} for tau in range(1, 14)]


@given(count=st.integers(1, 13), size=st.integers(1, 9), seeds=st.integers(1, 3))
def test_packs_hold_every_trial_once_and_are_even(count, size, seeds):
    wanted = trials(*TAUS[:count], seeds=range(seeds))

    packs = make_packs(wanted, size)

    assert sorted(key for pack in packs for key in pack.members) == sorted(wanted)
    lengths = [len(pack.members) for pack in packs]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_members_share_seed_and_structure():
    wanted = trials(*TAUS, {"model.temporal_grounding": False}, {"data.t2": 5}, seeds=(0, 1))

    for pack in make_packs(wanted, 4):
        kinds = {(t.seed, structure_key(t.config)) for t in pack.members.values()}
        assert len(kinds) == 1


def test_interrupted_pack_is_taken_up_whole_or_not_at_all():
    wanted = trials(*TAUS[:4])
    keys = list(wanted)
    first = Pack({key: wanted[key] for key in keys[:2]})
    other = Pack({key: wanted[key] for key in keys[2:]})
    missing = {key: wanted[key] for key in keys[:3]}

    adopted = adopt(missing, {first: set(keys[:2]), other: set(keys[2:])})

    assert adopted == [first]


def test_trial_in_two_interrupted_packs_is_trained_once():
    wanted = trials(*TAUS[:3])
    keys = list(wanted)
    first = Pack({key: wanted[key] for key in keys[:2]})
    second = Pack({key: wanted[key] for key in keys[1:]})

    adopted = adopt(wanted, {first: set(keys[:2]), second: set(keys[1:])})

    assert adopted == [first]


@pytest.mark.parametrize(("trials", "slots", "size"), [(1, 2, 1), (40, 2, 5), (1000, 2, LARGEST)])
def test_size_gives_each_slot_several_packs(trials, slots, size):
    assert choose_size(trials, slots) == size


def test_the_dearest_packs_come_first_and_have_the_fewest_members(tmp_path):
    cheap = trials(*TAUS[:8])
    dear = trials(*({"data.t2": 1, **values} for values in TAUS[:8]))
    wanted = cheap | dear

    def cost(trial):
        return 9.0 if trial.config.data.t2 == 1 else 1.0

    packs = choose_packs(wanted, wanted, open_storage(str(tmp_path)), None, 2, cost)

    first = [len(pack.members) for pack in packs if pack.members.keys() <= dear.keys()]
    assert first == [2, 2, 2, 2]
    assert [len(pack.members) for pack in packs[len(first) :]] == [8]


def test_a_few_missing_trials_of_many_use_every_slot(tmp_path):
    wanted = trials(*TAUS, seeds=range(20))
    missing = dict(list(wanted.items())[:8])

    packs = choose_packs(missing, wanted, open_storage(str(tmp_path)), None, 8, lambda _: 1.0)

    assert [len(pack.members) for pack in packs] == [1] * 8


HALVING = Halving(2, 1)


def saved(pack, **states):
    return SavedPack(pack, 1, {key: states.get(key, "running") for key in pack.members})


def halved(count=4):
    """Return packs of two members each that halving prunes."""
    trials = {key: Trial(TrialConfig(), 0) for key in "abcdefgh"[:count]}
    pairs = [list(trials)[at : at + 2] for at in range(0, count, 2)]
    return [Pack({key: trials[key] for key in pair}, HALVING) for pair in pairs]


def together(*origins):
    """Return the survivors of packs: the first member of each."""
    firsts = {next(iter(pack.members)): pack for pack in origins}
    members = {key: pack.members[key] for key, pack in firsts.items()}
    return Pack(members, HALVING, 0, 1, {key: pack.key for key, pack in firsts.items()})


def places(packs):
    return [(sorted(pack.members), pack.since, pack.pruner) for pack in packs]


def test_interrupted_packs_go_on_as_they_were_where_somebody_runs():
    first, second = halved()

    assert interrupted([first, second], [saved(second, c="pruned")], {"d"}) == [second]


def test_survivors_go_on_where_they_went():
    first, second, third = halved(6)
    met = together(first, second)
    there = [saved(it) for it in (met, third, second, first)]

    # e and f wait at their rung; a and c have met; b was pruned and not told; d was told.
    found = interrupted([first, second, third], there, {"a", "b", "c", "e", "f"})

    assert places(found) == [
        (["a", "c"], 1, HALVING),
        (["b"], 0, HALVING),
        (["e", "f"], 0, HALVING),
    ]
    assert found[0] is met
    assert found[1].origins == {"b": first.key}


def test_a_pack_of_survivors_that_saved_nothing_is_forgotten():
    first, second = halved()
    nothing = SavedPack(together(first, second), 0, {})

    found = interrupted([first, second], [nothing, saved(first), saved(second)], set("ac"))

    assert found == [first, second]


def test_packs_of_other_searches_are_none_of_ours():
    first, second = halved()
    foreign = Pack(first.members, Halving(3, 1))

    assert interrupted([first], [saved(foreign), saved(together(foreign, second))], {"a"}) == [
        first
    ]


def test_what_a_pack_was_divided_into_goes_on():
    (pack,) = halved(2)
    parts = [pack.part([key]) for key in pack.members]

    assert interrupted([pack], [saved(it) for it in (*parts, pack)], set("ab")) == parts
