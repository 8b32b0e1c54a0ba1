"""Stored checkpoints answer with a row's settings, beside the row that was trained so."""

import time
from pathlib import Path

import pytest

from evidence.claims import check
from evidence.tables import collect
from jobs.at_test import evaluate_at_test
from jobs.driver.files import Files
from reports.render import render
from search_spaces.document import Row, Sweep, Table
from search_spaces.plan import make_plan
from tass_core import TRAINING_VERSION
from tass_core.checkpoints import load_checkpoint
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.errors import ReportError
from tass_core.evaluation.answering import evaluate
from tass_core.training.pack import train_pack
from tass_core.training.results import TrialResult
from tests.stores import new_store
from tests.tass_core.data.folder.small_datasets import FURTHER, write_small
from tracking import schema
from tracking.events import Origin, SweepClosed, SweepOpened, TrialEnded, TrialOpened
from tracking.reader import Reader
from tracking.writer import Writer

ROWS = (
    Row("TASS", {}),
    Row("w/o T-A", {"model.target_aware": False}),
    Row("w/o JTG", {"model.temporal_grounding": False}),
    Row("w/o TSG+", {"model.spatial_grounding": False}),
    Row("w/o L_s", {"loss.match": False}),
)
SEEDS = (0, 1, 2)


class Store:
    """A finished sweep with its checkpoints, trained in this process."""

    def __init__(self, folder, dataset, base, rows=ROWS):
        self.uri, self.dataset = new_store(folder), dataset
        self.folder = folder / "storage"
        table = Table("parts", "parts", "Parts", ("all", "params_m"), rows)
        plan = make_plan(Sweep("parts", "Parts.", (table,)), dataset, base, SEEDS)
        tags = {
            schema.SWEEP: "parts",
            schema.FINGERPRINT: dataset.fingerprint,
            schema.TRAINING_VERSION: str(TRAINING_VERSION),
            schema.DATASET: dataset.name,
        }
        at = time.time()
        events = [SweepOpened(sweep="s", name="parts", plan=plan.to_dict(), tags=tags, at=at)]
        for key, trial in plan.trials.items():
            own = {**tags, schema.SEED: str(trial.seed), schema.CONFIG_HASH: trial.config.hash()}
            name = {**own, schema.VARIANT: plan.name(key)}
            events.append(TrialOpened(key=key, sweep="s", name=key, params={}, tags=name, at=at))
            *_, end = train_pack([trial], dataset, folder=self.folder / key)
            assert isinstance(end, TrialResult)
            events.append(
                TrialEnded(
                    key=key,
                    attempt=0,
                    status="finished",
                    reason=None,
                    best_epoch=end.best_epoch,
                    metrics=dict(end.metrics),
                    weights=str(end.weights.relative_to(self.folder)),
                    predictions=str(end.predictions.relative_to(self.folder)),
                    at=at,
                )
            )
        events.append(SweepClosed(sweep="s", status="finished", startup=None, at=at))
        writer = Writer(self.uri, Files())
        writer.open(dataset.name)
        writer.apply(Origin(dataset.name, dataset.fingerprint, str(self.folder)), events)

    def snapshot(self):
        return Reader(self.uri).snapshot()

    def evaluate(self, dataset=None):
        """Return the new sweep's name and what was said."""
        said, snapshot = [], self.snapshot()
        name = evaluate_at_test(
            snapshot,
            snapshot.sweep("parts"),
            dataset or self.dataset,
            uri=self.uri,
            command="tass-cli tables parts --at-test",
            note=said.append,
        )
        return name, said


@pytest.fixture(scope="module")
def store(tmp_path_factory, tiny, base):
    return Store(tmp_path_factory.mktemp("at-test"), tiny, base.replace("optimiser.epochs", 1))


@pytest.fixture(scope="module")
def said(store):
    return store.evaluate()


@pytest.fixture(scope="module")
def table(store, said):
    (found,) = collect(store.snapshot(), sweep=said[0], tables=["at-test-parts"])
    return found


def test_rows_at_test_stand_beside_those_that_were_trained_so(said, table):
    assert said[0] == "parts-at-test"
    assert [row.name for row in table.rows] == [
        *("TASS", "w/o T-A", "w/o T-A, at test", "w/o JTG", "w/o JTG, at test")
    ]
    assert table.columns == ("all",)
    assert not table.holes
    assert {row.reference for row in table.rows[1:]} == {"TASS"}


def test_what_cannot_be_switched_is_said_with_its_reason(said):
    assert said[1] == [
        "w/o TSG+: it needs weights that were not trained: pooled.weight, pooled.bias",
        "w/o L_s: it changes training alone, and is the same function at test",
    ]


def test_the_answers_are_those_of_the_trained_weights_with_the_rows_settings(store, table, base):
    snapshot = store.snapshot()
    cell = next(row for row in table.rows if row.name == "w/o JTG, at test").cells["all"]
    variant = base.with_values({"optimiser.epochs": 1, "model.temporal_grounding": False})
    for seed, value in cell.values.items():
        key = snapshot.sweep("parts").plan["tables"][0]["rows"][0]["trials"][str(seed)]
        (run,) = snapshot.trials[key]
        model = load_checkpoint(Path(run.checkpoint)).model
        model.single = None
        accuracy = evaluate(model, store.dataset, variant, "test").metrics["all"]
        assert value == pytest.approx(accuracy)


def test_both_ways_are_compared_over_the_same_seeds_and_questions(table):
    assert [it.row for it in table.at_test] == ["w/o T-A", "w/o JTG"]
    rows = {row.name: row.cells["all"] for row in table.rows}
    for it in table.at_test:
        trained, switched = rows[it.row], rows[f"{it.row}, at test"]
        assert it.trained.mean == pytest.approx(trained.difference.mean)
        assert it.switched.mean == pytest.approx(switched.difference.mean)
        assert it.apart.mean == pytest.approx(switched.mean - trained.mean)
        assert (it.apart.p_adjusted is None) == it.apart.identical


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rich", "minus"),  # a narrow terminal breaks the head of a column between words
        ("md", "switched minus trained"),
        ("html", "switched minus trained"),
        ("json", '"switched"'),
    ],
)
def test_every_format_shows_both_ways(table, name, words):
    assert words in " ".join(render([table], name).split())


def test_again_nothing_is_evaluated(store, said, monkeypatch):
    monkeypatch.setattr("jobs.at_test.evaluate", None)
    assert store.evaluate() == said
    assert len(store.snapshot().sweeps) == 2


def test_the_tables_and_claims_of_the_sweep_itself_do_not_change(store, said):
    snapshot = store.snapshot()
    (alone,) = collect(snapshot, sweep="parts", tables=["parts"])
    everything = {table.key: table for table in collect(snapshot)}
    assert everything["parts"] == alone
    assert set(everything) == {"parts", "at-test-parts", "grounding"}
    names = {row.name for row in everything["grounding"].rows}
    assert names == {row.name for row in alone.rows}
    assert not check(snapshot, sweep=said[0]).results


def test_further_tests_are_answered_too(base, tmp_path):
    dataset = write_small(tmp_path / "small", further_tests=(FURTHER,))
    store = Store(tmp_path, dataset, base.replace("optimiser.epochs", 1), ROWS[:2])
    name, _ = store.evaluate()
    snapshot = store.snapshot()
    (table,) = collect(snapshot, sweep=name, tables=["at-test-parts"])
    assert table.columns == ("all", f"{FURTHER}/all")
    assert not table.holes
    (run,) = snapshot.trials[next(iter(snapshot.sweep("parts").plan["trials"]))]
    assert f"test/{FURTHER}/all" in run.metrics
    assert snapshot.predictions(run).on(FURTHER).video is not None


def test_another_dataset_is_refused(store, tmp_path):
    make_world("tiny", tmp_path / "other", seed=1)
    with pytest.raises(ReportError, match="name its dataset with --data"):
        store.evaluate(open_dataset(tmp_path / "other"))


def test_a_sweep_without_a_row_that_can_be_switched_is_refused(tiny, base, tmp_path):
    alone = (Row("TASS", {}), Row("dual", {"model.structure": "dual"}))
    store = Store(tmp_path, tiny, base.replace("optimiser.epochs", 1), alone)
    with pytest.raises(ReportError, match="no row that can be switched at test"):
        store.evaluate()
