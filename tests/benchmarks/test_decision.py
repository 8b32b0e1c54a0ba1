"""What a decision costs: the ways that are compared keep the same error, and ours is no worse."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks import decision
from benchmarks.regimes import REGIMES, simulate

ROWS, FAMILIES = 6, 400


def test_holm_rejects_what_statsmodels_rejects():
    p = np.random.default_rng(0).beta(0.3, 5, (8, 7))

    found = decision._holm(p)

    assert (found == [multipletests(row, 0.05, "holm")[0] for row in p]).all()
    assert 0 < found.sum() < found.size


@pytest.mark.parametrize("seeds", [3, 12])
def test_every_way_keeps_its_error_where_nothing_differs(seeds):
    rng, none = np.random.default_rng(seeds), np.zeros(ROWS)
    tables = simulate(REGIMES["R1"], FAMILIES, ROWS, seeds, rng)

    for outcome in (
        decision.separate(
            [[0, 1, 2], [2, 3, 4, 5]], none, REGIMES["R1"], 0.6, FAMILIES, seeds, rng
        ),
        decision.paired(tables, none, seeds),
        decision.moderated(tables, none, seeds),
    ):
        assert outcome.right == 0
        assert outcome.wrong < 0.05 + 3 * np.sqrt(0.05 * 0.95 / FAMILIES)


def test_a_variant_of_two_tables_counts_once():
    outcome = decision.separate(
        *([[0, 1], [1, 0]], np.array([50.0, -50.0]), REGIMES["R1"], 1.0, 20, 5),
        np.random.default_rng(0),
    )
    assert outcome == decision.Outcome(right=2.0, wrong=0.0)


def test_seeds_are_interpolated_and_may_not_suffice():
    assert decision.needed(lambda seeds: decision.Outcome(seeds / 2, 0.0), 2.25)[0] == 4.5
    assert decision.needed(lambda _: decision.Outcome(1.0, 0.0), 2.0)[0] == float("inf")


def test_the_paper_trains_its_reference_again_in_every_table():
    known = decision.ablations("ablations")

    assert known.runs > known.variants + 1
    assert sorted({it for table in known.tables for it in table}) == list(range(known.variants))
