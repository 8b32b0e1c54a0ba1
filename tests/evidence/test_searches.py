"""What a search found is tested on seeds that it never used."""

import numpy as np
import pytest

from benchmarks.search_verdict import World, rates
from evidence.estimates import estimates
from evidence.ranking import pareto, rank
from evidence.searches import SearchVerdict, judge, judge_search
from evidence.selection import judged_seeds
from evidence.tables import collect
from reports.render.searches import search_words
from search_spaces.objectives import parse_objectives
from tass_core.errors import SweepError
from tests.reports.runs import write_sweep
from tracking import schema
from tracking.connect import connect
from tracking.reader import Reader

RNG = np.random.default_rng(0)


def answers(accuracy, seeds=3, questions=500):
    return (RNG.random((seeds, questions)) < accuracy).astype(float)


def verdict(*accuracies, seeds=3):
    """The verdict on variants whose default reaches 60 %."""
    default = answers(0.6, seeds)
    found = estimates([answers(accuracy, seeds) - default for accuracy in accuracies])
    names = [f"trial {number}" for number in range(len(found))]
    return judge(dict(zip(names, found, strict=True)), seeds)


def test_a_variant_that_is_much_better_beats_the_default():
    found = verdict(0.9, 0.6)

    assert [it.name for it in found.of("better")] == ["trial 0"]
    assert [it.name for it in found.of("not told apart")] == ["trial 1"]
    assert search_words(found).startswith("Beat the default config: trial 0 by +")
    assert "Not told apart from the default config: trial 1 by " in search_words(found)


def test_a_variant_that_is_much_worse_is_called_so():
    assert [it.name for it in verdict(0.2, 0.6).of("worse")] == ["trial 0"]


def test_without_three_fresh_seeds_nothing_is_tested():
    found = verdict(0.9, seeds=2)

    assert not found.of("better")
    assert search_words(found) == (
        "Not tested: a verdict needs 3 seeds that the search never used, and there are 2; "
        "give --num-seeds 4 or more."
    )


def test_a_search_won_by_the_default_says_that_there_is_nothing_to_compare():
    assert "nothing but the default config" in search_words(SearchVerdict((), 3))


def test_a_search_among_equals_names_a_better_one_in_at_most_five_of_a_hundred():
    tested, naive = rates(World(questions=400, videos=300), seeds=3, searches=200)

    assert tested <= 0.05
    assert naive > 0.5


def test_a_search_finds_what_is_clearly_better():
    found, _ = rates(World(better=0.1, questions=400, videos=300), seeds=5, searches=20)
    assert found > 0.8


@pytest.fixture
def searched(tmp_path):
    """A search that used seed 0 and confirmed with the seeds 1 to 3."""
    sweep = write_sweep(tmp_path, keys=("table5",), seeds=(0, 1, 2, 3), name="tau")
    [planned] = sweep.snapshot().sweeps
    plan = dict(planned.plan)
    [table] = plan["tables"]
    rows = [
        {**row, "trials": {s: key for s, key in row["trials"].items() if s != "0"}}
        for row in table["rows"]
    ]
    plan["tables"] = [{**table, "key": f"{schema.SEARCH_TABLE}tau", "rows": rows}]
    connect(sweep.uri).log_dict(sweep.parent, plan, schema.PLAN)
    return sweep.snapshot()


def test_a_front_shows_what_no_other_variant_is_better_than(searched):
    goals = parse_objectives(["val/all", "params_m"])
    found = pareto(searched, objectives=goals)

    assert found.seeds == (0,)
    assert len(found.points) == 5
    best = [point for point in found.points if point.best]
    assert best == [it for it in found.points if it in found.points[: len(best)]]
    highest = max(point.values[0] for point in found.points)
    assert highest in {point.values[0] for point in best}
    for point in found.points:
        beaten = [
            other
            for other in found.points
            if other.values[0] >= point.values[0]
            and other.values[1] <= point.values[1]
            and other.values != point.values
        ]
        assert point.best is not bool(beaten)


def test_variants_in_which_an_objective_was_not_measured_are_left_out_and_counted(searched):
    goals = parse_objectives(["val/all", "val/ground/spatial"])
    with pytest.raises(
        SweepError, match="no finished variant of sweep 'tau' has all of val/all, v"
    ):
        pareto(searched, objectives=goals)
    first, *_ = (run for runs in searched.trials.values() for run in runs if run.seed == 0)
    uri = searched.address
    epoch = int(first.metrics["best_epoch"])
    connect(uri).log_metric(first.run_id, "val/ground/spatial", 41.5, step=epoch)
    connect(uri).log_metric(first.run_id, "val/ground/spatial", 9.0, step=epoch + 1)

    found = pareto(Reader(uri).snapshot(), objectives=goals)

    assert [(it.variant, it.values[1]) for it in found.points] == [(first.variant, 41.5)]
    assert found.incomplete == 4


def test_a_front_needs_two_objectives(searched):
    with pytest.raises(SweepError, match="name others with --objective"):
        pareto(searched)


def test_the_seed_that_a_search_used_counts_neither_for_its_verdict_nor_for_the_ranking(searched):
    [sweep] = searched.sweeps
    assert judged_seeds(sweep) == (1, 2, 3)

    table = next(table for table in collect(searched) if table.key == "search-tau")
    found = judge_search(table)

    assert found.seeds == 3
    assert len(found.variants) == len(table.rows) - 1
    assert rank(searched, sweep=sweep.run_id).seeds == (1, 2, 3)
