"""Who goes on from a rung, on validation alone."""

import numpy as np
import pytest

from tass_core.errors import ConfigError
from tass_core.training.pruning import Halving, Wilcoxon
from tass_core.training.resume import Record


def record(key, *accuracies):
    found = Record(key)
    for accuracy in accuracies:
        found.note({"val/all": accuracy})
    return found


def answers(right, questions=400):
    """A member that answers the first ``right`` questions."""
    return np.arange(questions) < right


def states(records):
    return "".join("p" if record.status == "pruned" else "r" for record in records)


def test_halving_keeps_the_best_at_its_rungs_alone():
    records = [record(key, value) for key, value in (("a", 50), ("b", 60), ("c", 55), ("d", 40))]
    halving = Halving(eta=2, min_epochs=2)

    halving.prune(records, 1, {})
    assert states(records) == "rrrr"
    halving.prune(records, 2, {})
    assert states(records) == "prrp"
    halving.prune(records, 4, {})
    assert states(records) == "prpp"


def test_rungs_lie_eta_times_further_each():
    halving = Halving(eta=3, min_epochs=2)

    assert [halving.rung_after(epoch) for epoch in (0, 1, 2, 5, 6, 17, 18)] == [
        *(2, 2, 6, 6, 18, 18, 54)
    ]


def test_wilcoxon_drops_what_is_clearly_worse_and_keeps_what_is_not():
    records = [record(key, 0.0, 0.0) for key in "abc"]
    correct = {"a": answers(300), "b": answers(299), "c": answers(260)}

    Wilcoxon(min_epochs=2).prune(records, 1, correct)
    assert states(records) == "rrr"
    Wilcoxon(min_epochs=2).prune(records, 2, correct)
    assert states(records) == "rrp"
    assert "10.00 points below the pack's best at epoch 2" in records[2].reason


def test_wilcoxon_looks_at_the_questions_and_not_at_the_means():
    flips = answers(300)
    flips[:120], flips[300:] = False, True
    records = [record("a", 0.0), record("b", 0.0)]

    # 20 questions fewer in both cases: 120 lost and 100 gained, or 20 lost.
    Wilcoxon(p=0.01, min_epochs=1).prune(records, 1, {"a": answers(300), "b": flips})
    assert states(records) == "rr"
    Wilcoxon(p=0.01, min_epochs=1).prune(records, 1, {"a": answers(300), "b": answers(280)})
    assert states(records) == "rp"


def test_equal_members_and_a_single_one_stay():
    records = [record("a", 0.0), record("b", 0.0)]
    Wilcoxon(min_epochs=1).prune(records, 1, {"a": answers(9), "b": answers(9)})
    Wilcoxon(min_epochs=1).prune(records[:1], 1, {"a": answers(0)})
    assert states(records) == "rr"


@pytest.mark.parametrize("wrong", [{"p": 0.0}, {"p": 1.0}, {"min_epochs": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} = "):
        Wilcoxon(**wrong)
