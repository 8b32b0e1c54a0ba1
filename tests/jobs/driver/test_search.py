"""A search over real stores, whose packs the test ends by hand."""

import pytest

from jobs.choices import Search
from jobs.driver.search import searching
from jobs.driver.session import open_session
from search_spaces.load import load
from search_spaces.plan import empty_plan
from tests.jobs.driver.test_study import finish
from tracking.reader import Reader


@pytest.fixture
def plan(world, base):
    return empty_plan(load("tau"), world, base, (0, 1, 2))


def begun(plan, session):
    """Return the source of a search in an open session, as a sweep begins it."""
    search = Search(trials=6, confirm=1)
    begin = searching(plan, search, session.setting.tracking_uri, lambda _text: None)
    source = begin(session, session.restore(session.held()))
    session.open()
    return source


def test_what_a_search_has_proposed_stands_in_its_plan_before_it_ends(plan, setting):
    with open_session(plan, setting) as session:
        pack = begun(plan, session).next(1)
        session.held()
        (sweep,) = Reader(setting.tracking_uri).snapshot().sweeps

    assert pack.members.keys() <= sweep.keys


def test_a_search_comes_to_its_confirmation_and_its_end_while_mlflow_is_away(
    plan, setting, tmp_path
):
    with open_session(plan, setting) as session:
        source = begun(plan, session)
        searched = source.next(1)
        (tmp_path / "mlflow.db").write_bytes(b"no database " * 1000)
        finish(source, searched)
        while not source.exhausted():
            finish(source, source.next(1))
        behind = session.close("finished")

    seeds = {plan.trials[key].seed for key in source.wanted()}
    assert seeds == {0, 1, 2}, "the best of the search are confirmed with fresh seeds"
    assert "database" in behind
