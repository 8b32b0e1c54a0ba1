"""A study's database may be away: nothing of the meantime is lost, and nothing is told twice."""

import shutil
import sqlite3

import optuna
import pytest
from optuna.trial import TrialState

from jobs.driver.proposals import Proposals
from jobs.driver.study_writer import Past, StudyWriter
from tass_core.errors import SweepError
from tracking.delivery import Delivery
from tracking.events import Origin
from tracking.outbox import Outbox

ORIGIN = Origin("tiny", "f", "/runs")
PATIENCE = 60


class Driver:
    """What a driver has of a search: the study in memory, the outbox and the delivery."""

    def __init__(self, folder):
        self.url = f"sqlite:///{folder / 'optuna.db'}"
        writer = StudyWriter(self.url, "search", ["maximize"])
        self.delivery = Delivery(Outbox(folder / "home", "study"), writer, again=0.1)
        self.delivery.start()
        assert self.delivery.drain(PATIENCE)
        self.proposals = Proposals("search", ["maximize"], writer.past(), self.post)

    def post(self, news):
        self.delivery.post(ORIGIN, news)

    def run(self, key, value):
        """Propose a trial and train it."""
        asked = self.proposals.ask(optuna.samplers.RandomSampler(len(self.proposals)))
        asked.suggest_float("x", 0.0, 1.0)
        self.proposals.name_trial(asked.number, key, None)
        self.proposals.report(asked.number, 1, value - 1)
        self.proposals.report(asked.number, 2, value)
        self.proposals.tell(asked.number, "finished", [value])
        self.proposals.post()

    def told(self):
        return optuna.load_study(study_name="search", storage=self.url).trials


@pytest.fixture
def start(tmp_path):
    drivers = []

    def begin():
        drivers.append(Driver(tmp_path))
        return drivers[-1]

    yield begin
    for driver in drivers:
        driver.delivery.close()


def equal(trials, values):
    """Whether a database holds these finished trials, each with both of its reports."""
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * len(values)
    assert [trial.value for trial in trials] == values
    assert [trial.intermediate_values for trial in trials] == [{1: v - 1, 2: v} for v in values]
    return True


def test_everything_arrives(start):
    driver = start()
    driver.run("a", 60.0)
    driver.run("b", 61.0)

    assert driver.delivery.drain(PATIENCE)
    assert equal(driver.told(), [60.0, 61.0])


def test_a_locked_database_keeps_nobody_waiting_and_loses_nothing(start, tmp_path):
    driver = start()
    locker = sqlite3.connect(tmp_path / "optuna.db", isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")

    driver.run("a", 60.0)
    driver.run("b", 61.0)
    assert driver.proposals.trial(1).value == 61.0
    locker.execute("ROLLBACK")
    locker.close()

    assert driver.delivery.drain(PATIENCE)
    assert equal(driver.told(), [60.0, 61.0])


def test_a_removed_database_is_said_and_filled_once_it_is_back(start, tmp_path):
    driver = start()
    driver.run("a", 60.0)
    assert driver.delivery.drain(PATIENCE)
    shutil.move(tmp_path / "optuna.db", tmp_path / "elsewhere.db")

    driver.run("b", 61.0)
    assert not driver.delivery.drain(0.5)
    assert "has been removed" in driver.delivery.trouble
    shutil.move(tmp_path / "elsewhere.db", tmp_path / "optuna.db")

    assert driver.delivery.drain(PATIENCE)
    assert equal(driver.told(), [60.0, 61.0])


def test_what_a_dead_driver_could_not_tell_the_next_one_tells(start, tmp_path):
    first = start()
    shutil.move(tmp_path / "optuna.db", tmp_path / "elsewhere.db")
    first.run("a", 60.0)
    first.delivery.close()
    shutil.move(tmp_path / "elsewhere.db", tmp_path / "optuna.db")

    second = start()
    second.run("b", 61.0)

    assert second.proposals.trial(0).params != second.proposals.trial(1).params
    assert second.delivery.drain(PATIENCE)
    assert equal(second.told(), [60.0, 61.0])


def test_news_told_again_change_nothing(tmp_path):
    url, news = f"sqlite:///{tmp_path / 'optuna.db'}", []
    proposals = Proposals("search", ["maximize"], Past((), {}), news.extend)
    for key in ("a", "b"):
        asked = proposals.ask(optuna.samplers.RandomSampler(0))
        asked.suggest_categorical("merge", ["add", "mul"])
        proposals.name_trial(asked.number, key, None)
        proposals.report(asked.number, 1, 50.0)
    proposals.tell(0, "pruned")
    proposals.post()

    for end in range(len(news) + 1):
        StudyWriter(url, "search", ["maximize"]).apply(ORIGIN, news[:end])
    StudyWriter(url, "search", ["maximize"]).apply(ORIGIN, news)

    trials = optuna.load_study(study_name="search", storage=url).trials
    assert [trial.state for trial in trials] == [TrialState.PRUNED, TrialState.RUNNING]
    assert [trial.user_attrs["trial_key"] for trial in trials] == ["a", "b"]
    assert [trial.params for trial in trials] == [it.params for it in proposals.trials()]
    assert trials[0].value == 50.0


def test_an_unusable_storage_is_refused_without_its_password():
    with pytest.raises(SweepError, match="--study-storage nonsense://") as refused:
        StudyWriter("nonsense://me:secret@host/db", "search", ["maximize"])
    assert "secret" not in str(refused.value)
