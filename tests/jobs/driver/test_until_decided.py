"""The source that adds seeds: what it gives follows from answers alone, killed or not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from jobs.choices import Keep
from jobs.cluster.resources import Resources
from jobs.driver.progress import Progress
from jobs.driver.until_decided import UntilDecided
from jobs.storage import open_storage
from search_spaces.load import parse_sweep
from search_spaces.plan import UntilDecided as Until
from search_spaces.plan import make_growing_plan
from tass_core.evaluation.predictions import Predictions, read_predictions, write_predictions
from tests.evidence.answers import answers
from tracking.events import TrialEnded

ROWS = {
    "TASS": {},
    "w/o JTG": {"model.temporal_grounding": False},
    "w/o L_s": {"loss.match": False},
}
WORTH = {"TASS": 0.0, "w/o JTG": -0.10, "w/o L_s": 0.0}
QUESTIONS = 300


@pytest.fixture
def desk(tiny, base, tmp_path):
    """A plan, a storage, and all that a source asks of its session."""
    document = parse_sweep(
        "mine.toml",
        {"tables": {"mine": {"title": "Mine", "columns": ["all"], "rows": ROWS}}},
        "mine",
    )
    seeds = list(range(8))

    def session():
        plan = make_growing_plan(document, tiny, base, seeds, Until(margin=2.0, first=3, last=8))
        setting = SimpleNamespace(
            storage=open_storage(str(tmp_path)), resources=Resources(), keep=Keep("none")
        )
        names = {key: plan.name(key) for key in plan.trials}
        return SimpleNamespace(
            plan=plan,
            setting=setting,
            progress=Progress("mine", plan.trials, names),
            grow=lambda: None,
            reader=SimpleNamespace(
                predictions=lambda key: read_predictions(tmp_path / f"{key}.parquet")
            ),
        )

    return SimpleNamespace(session=session, folder=tmp_path)


def answer(desk, plan, key, status="finished"):
    """End a trial: what it answers depends on its variant and seed alone."""
    trial, name = plan.trials[key], plan.name(key)
    runs = answers(8, QUESTIONS, sorted(WORTH).index(name), shift=WORTH[name], luck=0.005)
    correct = runs[trial.seed] > 0
    write_predictions(
        desk.folder / f"{key}.parquet",
        Predictions(
            question_id=np.arange(QUESTIONS),
            type=np.full(QUESTIONS, "a_count"),
            answer=np.full(QUESTIONS, "yes"),
            predicted=np.full(QUESTIONS, "yes"),
            correct=correct,
            split="test",
            video=np.array([f"v{place // 3}" for place in range(QUESTIONS)]),
        ),
    )
    return TrialEnded(
        key=key, attempt=0, status=status, reason=None, predictions=f"{key}.parquet", at=0.0
    )


def run(desk, session, *, held=(), most=1000, failing=()):
    """Train by a source until nothing is open, or ``most`` trials; return it and what it showed."""
    shown, trained = [], []
    source = UntilDecided(session, {key: key for key in held}, shown.append)
    while not source.exhausted() and len(trained) < most:
        while (pack := source.next(2)) is not None:
            for key in pack.members:
                status = "failed" if session.plan.name(key) in failing else "finished"
                source.observe([answer(desk, session.plan, key, status)])
                trained.append(key)
    return source, shown, trained


def last(shown):
    return {shown[-1].names[it]: found for it, found in shown[-1].standings.items()}


def test_it_stops_where_it_has_decided_and_spends_seeds_where_it_has_not(desk):
    session = desk.session()
    source, shown, trained = run(desk, session)
    found = last(shown)
    assert found["w/o JTG"].state == "decided"
    assert "lower" in found["w/o JTG"].finding
    assert found["w/o L_s"].state != "open"
    assert found["w/o JTG"].seeds <= found["w/o L_s"].seeds
    assert len(trained) == len(set(trained)) < 24
    assert source.wanted() == set(trained) == session.plan.trials.keys()


def test_stopped_anywhere_and_continued_it_gives_the_same_verdicts(desk):
    _, undisturbed, whole = run(desk, desk.session())
    for most in (1, 9, len(whole) - 1):
        _, _, first = run(desk, desk.session(), most=most)
        _, shown, more = run(desk, desk.session(), held=first)
        assert last(shown) == last(undisturbed)
        assert sorted([*first, *more]) == sorted(whole)


def test_the_plan_has_one_address_however_far_it_has_grown(desk):
    session = desk.session()
    before = session.plan.key
    run(desk, session)
    assert session.plan.key == before == desk.session().plan.key


def test_every_look_is_left_in_the_plan(desk):
    session = desk.session()
    _, shown, _ = run(desk, session)
    looks = session.plan.to_dict()["until_decided"]["looks"]
    assert [look["trials"] for look in looks] == [decision.trials for decision in shown]
    assert looks[-1]["rows"].keys() == {"w/o JTG", "w/o L_s"}


def test_a_row_whose_trial_fails_stops_before_that_seed(desk):
    _, shown, _ = run(desk, desk.session(), failing=("w/o L_s",))
    assert set(last(shown)) == {"w/o JTG"}
