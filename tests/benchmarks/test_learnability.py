"""What a model is worth is said by the engine's rules, and not by twice a standard error."""

import pytest
from scipy import stats

from benchmarks.learnability import compared
from reports.render.words import bounds


def test_a_model_is_compared_with_the_first_seed_by_seed():
    full, other = [57.0, 58.0, 56.5], [55.0, 56.5, 53.5]
    first, line = compared({"full": full, "w/o JTG": other})

    assert first == ("full", "57.17 ± 0.76", "", "", "")
    test = stats.ttest_rel(full, other)
    low, high = test.confidence_interval(0.95)
    assert line[2] == "+2.17"
    assert line[3] == f"[{low:+.2f}, {high:+.2f}]"
    assert float(line[4]) == pytest.approx(test.pvalue, abs=0.0005)


def test_one_seed_has_no_interval():
    assert [line[3:] for line in compared({"full": [57.0], "blank": [40.0]})][1] == (
        bounds(None),
        "–",
    )
