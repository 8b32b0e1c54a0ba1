"""Variants are ranked by validation, over all the seeds, on one dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from evidence.ranking import Ranking, rank
from search_spaces.describe import describe
from search_spaces.load import load
from tass_core.errors import SweepError, TrackingError
from tests.reports.runs import Sweep
from tracking import schema


@pytest.fixture(scope="module")
def ranking(finished: Sweep) -> Ranking:
    return rank(finished.snapshot())


def test_the_mean_is_over_each_seeds_best_epoch(finished: Sweep, ranking: Ranking) -> None:
    client = MlflowClient(tracking_uri=finished.uri)
    row = next(row for row in ranking.rows if row.variant == "w/o JTG")
    for seed, value in row.values.items():
        run = finished.run("table2", "w/o JTG", seed)
        last = max(client.get_metric_history(run, "val/all"), key=lambda point: point.step)
        assert value == last.value
    assert row.value == pytest.approx(np.mean(list(row.values.values())))
    assert row.deviation == pytest.approx(np.std(list(row.values.values()), ddof=1))


def test_the_best_comes_first(ranking: Ranking) -> None:
    values = [row.value for row in ranking.rows]
    assert values == sorted(values, reverse=True)
    assert {row.variant for row in ranking.rows[-2:]} == {"w/o JTG", "w/o L_s"}


def test_the_smallest_loss_comes_first(own_copy: Sweep) -> None:
    client = MlflowClient(tracking_uri=own_copy.uri)
    for place, run in enumerate(own_copy.runs.values()):
        client.log_metric(run, "val/loss", float(place), step=3)
    found = rank(own_copy.snapshot(), metric="val/loss")
    values = [row.value for row in found.rows]
    assert values == sorted(values)
    assert all(row.values[row.best_seed] == min(row.values.values()) for row in found.rows)


def test_a_search_is_ranked_by_what_it_was_for(own_copy: Sweep) -> None:
    client = MlflowClient(tracking_uri=own_copy.uri)
    for place, run in enumerate(own_copy.runs.values()):
        client.log_metric(run, "val/ground/spatial", float(place), step=3)
    path = client.download_artifacts(own_copy.parent, schema.PLAN)
    goals = {"objectives": ["params_m", "val/ground/spatial"]}
    document = describe(load("ablations")) | goals
    client.log_dict(
        own_copy.parent, json.loads(Path(path).read_text()) | {"document": document}, schema.PLAN
    )
    snapshot = own_copy.snapshot()
    assert rank(snapshot, sweep="ablations").metric == "val/ground/spatial"
    assert rank(snapshot).metric == "val/all"


def test_a_variant_without_all_the_seeds_is_counted_and_not_ranked(own_copy: Sweep) -> None:
    MlflowClient(tracking_uri=own_copy.uri).delete_run(own_copy.run("table2", "w/o JTG", 1))
    found = rank(own_copy.snapshot())
    assert found.incomplete == 1
    assert "w/o JTG" not in {row.variant for row in found.rows}


def test_a_run_of_other_training_code_does_not_count(own_copy: Sweep) -> None:
    run = own_copy.run("table2", "w/o JTG", 1)
    MlflowClient(tracking_uri=own_copy.uri).set_tag(run, schema.TRAINING_VERSION, "0")
    assert rank(own_copy.snapshot()).incomplete == 1


def test_selection_on_test_is_refused(finished: Sweep) -> None:
    with pytest.raises(SweepError, match="variants are selected on validation"):
        rank(finished.snapshot(), metric="test/all")


def test_an_unknown_sweep_or_variant_is_refused(finished: Sweep) -> None:
    with pytest.raises(TrackingError, match="'nothing' is no sweep"):
        rank(finished.snapshot(), sweep="nothing")
    with pytest.raises(SweepError, match="did you mean 'TASS'"):
        rank(finished.snapshot(), variant="TAS")
