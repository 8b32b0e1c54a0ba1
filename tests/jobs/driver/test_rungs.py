"""Survivors of halving wait at their rung, and go on with those of other packs."""

import pytest

from jobs.driver.rungs import LONE_PATIENCE, PATIENCE, Rungs
from jobs.packs import Pack
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving, Wilcoxon
from tass_core.trial import Trial

RULE = Halving(eta=3, min_epochs=2)


def pack(names, rule=RULE, since=0, seed=0, **fields):
    config = TrialConfig().with_values(fields)
    return Pack({name: Trial(config, seed) for name in names}, rule, since=since)


def other(number):
    """Return a pack of another structure, each time."""
    return pack(f"{number}", **{"optimiser.batch_size": 1 + number})


def names(found):
    return None if found is None else "".join(found.members)


def test_survivors_meet_when_they_fill_a_pack_and_know_where_they_come_from():
    rungs, first, second = Rungs(), pack("abcd"), pack("efgh")
    rungs.wait(first, ["b", "c"])
    assert rungs.next([], last=False) is None

    rungs.wait(second, ["e", "h"])
    found = rungs.next([], last=False)

    assert names(found) == "bceh"
    assert found.origins == {"b": first.key, "c": first.key, "e": second.key, "h": second.key}
    assert (found.pruner, found.since, found.until) == (RULE, 2, 6)
    assert rungs.next([], last=True) is None


def test_who_is_alone_waits_while_anybody_may_come():
    rungs = Rungs()
    rungs.wait(pack("ab"), ["a"])

    assert rungs.next([], last=False) is None
    assert rungs.next([pack("cd")], last=True) is None
    assert names(rungs.next([pack("ef", since=2), other(1)], last=True)) == "a"


def test_one_of_a_rare_kind_goes_on_alone_before_the_budget_is_spent():
    rungs, stranger = Rungs(), other(1)
    for rare, key in ((pack("ab"), "a"), (pack("cd", since=2), "c")):
        rungs.wait(rare, [key])
        for _ in range(LONE_PATIENCE - 1):
            rungs.wait(stranger, ["1"])
            assert rungs.next([], last=False) is None
    rungs.wait(stranger, ["1"])

    assert rungs.next([pack("ef")], last=False) is None
    alone = rungs.next([], last=False)
    assert names(alone) == "a"
    assert rungs.next([alone], last=False) is None, "it may come to where the other one waits"
    assert names(rungs.next([], last=False)) == "c"


def test_two_do_not_wait_for_long_and_one_does():
    rungs = Rungs()
    rungs.wait(pack("abcd"), ["a", "b"])
    rungs.wait(pack("efgh", seed=1), ["e"])
    for number in range(1, PATIENCE - 1):
        rungs.wait(other(number), [f"{number}"])
        assert rungs.next([], last=False) is None
    rungs.wait(other(PATIENCE), [f"{PATIENCE}"])

    assert rungs.next([pack("cd")], last=False) is None
    assert names(rungs.next([pack("cd", seed=1)], last=False)) == "ab"
    assert rungs.next([], last=False) is None


@pytest.mark.parametrize(
    "stranger",
    [
        pack("cd", seed=1),
        pack("cd", rule=Halving(eta=2, min_epochs=2)),
        pack("cd", since=2),
        pack("cd", **{"optimiser.batch_size": 3}),
    ],
)
def test_only_those_meet_that_can_train_together(stranger):
    rungs = Rungs()
    rungs.wait(pack("ab"), ["a"])
    rungs.wait(stranger, ["c"])

    assert rungs.next([], last=False) is None
    assert sorted([names(rungs.next([], last=True)), names(rungs.next([], last=True))]) == [
        "a",
        "c",
    ]


def test_those_of_the_lowest_rung_go_first_and_may_catch_up_with_the_others():
    rungs = Rungs()
    rungs.wait(pack("ab", since=2), ["a"])
    rungs.wait(pack("cd"), ["c"])

    behind = rungs.next([], last=True)
    assert names(behind) == "c"
    assert rungs.next([behind], last=True) is None
    rungs.wait(behind, ["c"])

    assert names(rungs.next([], last=True)) == "ac"


def test_nobody_is_left_behind_alone():
    rungs = Rungs()
    for members in ("abcd", "efgh", "ijkl"):
        rungs.wait(pack(members), list(members[:2]) if members != "ijkl" else ["i"])

    assert names(rungs.next([], last=False)) == "abe"
    assert names(rungs.next([], last=True)) == "fi"


def test_parts_of_packs_do_not_say_how_many_fill_one():
    rungs, whole = Rungs(), pack("abcd")
    rungs.wait(whole.part(["a"], RULE), ["a"])
    assert rungs.next([], last=False) is None

    rungs.wait(whole.part(["b"], RULE), ["b"])
    assert rungs.next([], last=False) is None
    assert names(rungs.next([], last=True)) == "ab"


@pytest.mark.parametrize("rule", [None, Wilcoxon(), Halving(3, 2)])
def test_nobody_waits_where_there_are_no_rungs(rule):
    rungs = Rungs()
    rungs.wait(pack("ab", rule=rule, **{"optimiser.epochs": 2}), ["a"])
    rungs.wait(pack("ab"), [])

    assert rungs.next([], last=True) is None
