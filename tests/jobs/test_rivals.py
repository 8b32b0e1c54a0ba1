"""A rival's answers in MLflow: a row of its own, tested against the full model's."""

import time
from dataclasses import replace

import numpy as np
import pytest

from evidence.tables import collect
from jobs.driver.files import Files
from jobs.rivals import publish
from tass_core import TRAINING_VERSION
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.errors import SweepError
from tass_core.evaluation.accuracy import accuracies
from tass_core.evaluation.predictions import Predictions, write_predictions
from tass_core.trial import Trial, trial_key
from tests.stores import new_store
from tracking import schema
from tracking.events import Origin, SweepOpened, TrialEnded, TrialOpened
from tracking.reader import Reader
from tracking.writer import Writer


def answers(dataset, wrong):
    """Answers of which every ``wrong``-th is not right."""
    asked, names = dataset.questions("test"), np.array(dataset.answers)
    given = asked.answer.copy()
    given[::wrong] = (given[::wrong] + 1) % len(names)
    return Predictions(
        question_id=asked.question_id,
        type=np.array(QUESTION_TYPES)[asked.type],
        answer=names[asked.answer],
        predicted=names[given],
        correct=given == asked.answer,
        split="test",
        video=np.array(dataset.video_ids)[asked.video],
    )


def train_full_model(dataset, base, uri, folder, found):
    """What a sweep writes of one finished trial."""
    key = trial_key(Trial(base.canonical(), 0), dataset.fingerprint)
    write_predictions(folder / f"{key}.parquet", found)
    tags = {
        schema.FINGERPRINT: dataset.fingerprint,
        schema.TRAINING_VERSION: str(TRAINING_VERSION),
        schema.DATASET: dataset.name,
        schema.SEED: "0",
    }
    scores = accuracies(dataset.questions("test"), found.correct)
    metrics = {f"test/{n}": value for n, value in scores.items()} | {"val/all": 50.0}
    at = time.time()
    writer = Writer(uri, Files())
    writer.open(dataset.name)
    writer.apply(
        Origin(dataset.name, dataset.fingerprint, str(folder)),
        [
            SweepOpened(
                sweep="full",
                name="full",
                plan={"sweep": "ablations", "trials": {}},
                tags=tags,
                at=at,
            ),
            TrialOpened(key=key, sweep="full", name="TASS", params={}, tags=tags, at=at),
            TrialEnded(
                key=key,
                attempt=0,
                status="finished",
                reason=None,
                metrics=metrics,
                predictions=f"{key}.parquet",
                at=at,
            ),
        ],
    )


@pytest.fixture
def uri(tmp_path):
    return new_store(tmp_path)


def offer(tiny, base, uri, found, name="Rival 1"):
    return publish(name, found, dataset=tiny, base=base, uri=uri, command="tass-cli import")


def test_a_rival_s_row_is_tested_against_the_full_model(tiny, base, uri, tmp_path):
    ours, theirs = answers(tiny, 3), answers(tiny, 2)
    train_full_model(tiny, base, uri, tmp_path, ours)
    sweep = offer(tiny, base, uri, [theirs])
    (table,) = collect(Reader(uri).snapshot(), sweep=sweep)
    full, rival = table.rows
    assert rival.name == "Rival 1"
    assert rival.cells["all"].mean == pytest.approx(100 * theirs.correct.mean())
    assert full.cells["all"].mean == pytest.approx(100 * ours.correct.mean())
    difference = rival.cells["all"].difference
    assert difference.mean == pytest.approx(rival.cells["all"].mean - full.cells["all"].mean)
    assert difference.questions == len(theirs.correct)
    assert not table.holes


def test_without_the_full_model_the_table_says_so(tiny, base, uri):
    sweep = offer(tiny, base, uri, [answers(tiny, 2)])
    (table,) = collect(Reader(uri).snapshot(), sweep=sweep)
    assert table.rows[1].cells["all"].mean is not None
    assert table.rows[1].cells["all"].difference is None
    assert "no run of trial" in str(table.holes[0])


def test_the_same_answers_again_change_nothing_and_others_are_another_run(tiny, base, uri):
    one = answers(tiny, 2)
    for found in (one, one, replace(one, predicted=one.answer, correct=one.correct | True)):
        offer(tiny, base, uri, [found])
    snapshot = Reader(uri).snapshot()
    assert len(snapshot.sweeps) == 2
    (table,) = collect(snapshot, sweep=snapshot.sweeps[0].run_id)
    assert table.rows[1].cells["all"].mean in (pytest.approx(50.0), 100.0)


def test_two_files_are_two_seeds(tiny, base, uri):
    sweep = offer(tiny, base, uri, [answers(tiny, 2), answers(tiny, 4)])
    (table,) = collect(Reader(uri).snapshot(), sweep=sweep)
    assert set(table.rows[1].cells["all"].values) == {0, 1}


@pytest.mark.parametrize("name", ["TASS", " ? "])
def test_a_name_that_is_none_is_refused(name, tiny, base, uri):
    with pytest.raises(SweepError, match="names no rival"):
        offer(tiny, base, uri, [answers(tiny, 2)], name=name)
