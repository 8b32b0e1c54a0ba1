"""What a person finds in MLflow's pages, read back from a real store as the pages read it."""

import json

import pytest
from mlflow import MlflowClient

from tests.tracking.stories import ORIGIN, STORY, ended, opened, trial
from tracking import pages
from tracking.events import PlanGrew
from tracking.writer import Writer

PLAN = {
    "sweep": "mine",
    "dataset": {"splits": {"train": 8, "test": 4}},
    "trials": {"k1": {}},
    "variants": {
        "a": {"config": {"model.tau": 0.02, "model.width": 32}},
        "b": {"config": {"model.tau": 0.03, "model.width": 32}},
    },
    "tables": [{"key": "t", "rows": [{"name": "w/o L_s", "trials": {"0": "k1"}}]}],
}
GREW = PlanGrew(sweep="s2", plan=PLAN, at=110.0)


@pytest.fixture
def store(uri, storage):
    """A store with a finished trial of the sweep ``tau`` that fills a row of ``mine``."""
    Writer(uri, storage).apply(ORIGIN, [*STORY, opened("s2"), GREW])
    return Store(uri)


class Store:
    """A store, as MLflow's pages ask for it."""

    def __init__(self, uri):
        self.client = MlflowClient(uri)

    @property
    def experiment(self):
        return self.client.get_experiment_by_name("tass/tiny")

    def view(self, sweep):
        saved = json.loads(self.experiment.tags[f"mlflow.sharedViewState.tass-{sweep}"])
        return saved, json.loads(saved["state"])

    def runs(self, condition):
        return self.client.search_runs([self.experiment.experiment_id], condition)

    @property
    def trial(self):
        (run,) = self.runs("tags.`tass.kind` = 'trial'")
        return run


def test_a_sweeps_view_shows_the_trials_that_another_trained_grouped_by_what_they_compute(store):
    saved, state = store.view("mine")

    assert saved["name"] == "mine: means over seeds"
    (run,) = store.runs(state["searchFilter"])
    assert run.data.tags["tass.trial_key"] == "k1"
    (key,) = state["groupBy"]["groupByKeys"]
    assert run.data.tags[key["groupByData"]].startswith(run.data.tags.get("tass.variant", ""))


def test_a_sweeps_view_shows_what_its_variants_differ_in(store):
    columns = store.view("mine")[1]["selectedColumns"]

    assert "params.`model.tau`" in columns
    assert "params.`model.width`" not in columns
    assert set(columns) >= {"metrics.`best_val`", "metrics.`test/all`"}


def test_our_own_view_follows_the_plan(store, uri, storage):
    more = PLAN["variants"] | {"c": {"config": {"model.tau": 0.02, "model.width": 64}}}

    Writer(uri, storage).apply(
        ORIGIN, [PlanGrew(sweep="s2", plan=PLAN | {"variants": more}, at=120.0)]
    )

    assert "params.`model.width`" in store.view("mine")[1]["selectedColumns"]


@pytest.mark.parametrize("field", ["tass.config_hash", "tass.fingerprint", "tass.training_version"])
def test_trials_of_one_name_share_a_group_only_when_they_differ_in_the_seed_alone(field):
    tags = {
        "tass.variant": "trial 7",
        "tass.config_hash": "c",
        "tass.fingerprint": "f",
        "tass.training_version": "6",
        "tass.seed": "0",
    }

    assert pages.group(tags) == pages.group(tags | {"tass.seed": "1"})
    assert pages.group(tags) != pages.group(tags | {field: "another"})
    assert pages.group(tags).startswith("trial 7 #")


def test_a_trial_describes_the_rows_it_fills_and_leads_to_each_sweeps_view(store):
    note = store.trial.data.tags["mlflow.note.content"]

    experiment = store.experiment.experiment_id
    assert f"[mine]({pages.sweep_page(experiment, 'mine')}): t: w/o L\\_s" in note
    assert store.view("mine")


def test_a_trial_of_a_store_that_older_versions_wrote_gets_its_group_and_description(
    store, uri, storage
):
    before = store.trial
    for tag in ("tass.group", "mlflow.note.content"):
        store.client.delete_tag(before.info.run_id, tag)

    Writer(uri, storage).apply(ORIGIN, [GREW])

    assert store.trial.data.tags == before.data.tags


def test_descriptions_that_a_person_wrote_stay(store, uri, storage):
    store.client.set_tag(store.trial.info.run_id, "mlflow.note.content", "Look at this one.")
    experiment = store.experiment.experiment_id
    store.client.set_experiment_tag(experiment, "mlflow.note.content", "Ours.")

    Writer(uri, storage).apply(ORIGIN, [opened("s2"), GREW])

    assert store.trial.data.tags["mlflow.note.content"] == "Look at this one."
    assert store.experiment.tags["mlflow.note.content"] == "Ours."


def test_experiment_and_running_sweep_say_where_to_click(uri, storage):
    Writer(uri, storage).apply(ORIGIN, [opened()])
    store = Store(uri)

    assert "dataset tiny: choose Model training" in store.experiment.tags["mlflow.note.content"]
    (sweep,) = store.runs("tags.`tass.kind` = 'sweep'")
    page = pages.sweep_page(store.experiment.experiment_id, "tau")
    assert f"]({page})" in sweep.data.tags["mlflow.note.content"]
    assert store.view("tau")


def test_dataset_says_how_many_questions_it_has(uri, storage):
    begun = opened("s2")
    begun.plan.update(dataset=PLAN["dataset"])
    Writer(uri, storage).apply(ORIGIN, [begun, trial(sweep="s2")])

    for run in Store(uri).runs(""):
        (found,) = run.inputs.dataset_inputs
        profile = json.loads(found.dataset.profile)
        assert (profile["train_questions"], profile["test_questions"]) == (8, 4)


def test_what_a_trial_has_once_is_at_step_zero_where_mlflow_draws_bars(uri, storage):
    Writer(uri, storage).apply(ORIGIN, [*STORY[:4], ended()])
    store = Store(uri)

    history = store.client.get_metric_history
    run = store.trial.info.run_id
    assert [(it.step, it.value) for it in history(run, "test/all")] == [(0, 55.0)]
    assert [it.step for it in history(run, "val/all")] == [1, 2]


def test_addresses_open_among_the_pages_for_training_and_quote_a_sweeps_name():
    assert pages.run_page("1", "ab").endswith("/runs/ab?workflowType=machine_learning")
    assert pages.sweep_page("1", "a b").endswith("&viewStateShareKey=tass-a%20b")
