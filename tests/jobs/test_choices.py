"""What a person may decide about a sweep, and what is refused by name."""

import pytest

from jobs.choices import Keep, Search
from tass_core.errors import SweepError


def test_keep_is_one_of_three_policies():
    assert Keep.parse("top:3") == Keep("top", 3)
    with pytest.raises(SweepError, match="--keep top:0: allowed are best, none, and top:N"):
        Keep.parse("top:0")


@pytest.mark.parametrize("values", [{"trials": 0}, {"confirm": 0}])
def test_an_impossible_search_is_refused_by_name(values):
    with pytest.raises(SweepError, match=f"--{next(iter(values))} 0 is out of range"):
        Search(**values)


def test_an_unknown_sampler_or_pruner_is_told_the_nearest_name():
    with pytest.raises(SweepError, match=r"--sampler tpee is none of tpe, .*did you mean 'tpe'"):
        Search(sampler="tpee")
    with pytest.raises(SweepError, match=r"--pruner hiperband is none of .*'hyperband'"):
        Search(pruner="hiperband")
