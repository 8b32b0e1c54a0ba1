"""Sources: what they ask for, in which order, and when there is no more."""

from jobs.driver.sources import Queue, Then
from jobs.packs import Pack
from tass_core.config import TrialConfig
from tass_core.trial import Trial
from tracking.events import TrialEnded

TRIAL = Trial(TrialConfig(), 0)


def queue(*keys):
    """A queue of packs of one."""
    trials = dict.fromkeys(keys, TRIAL)
    return Queue(trials, lambda slots: [Pack({key: TRIAL}) for key in keys[:slots]])


def take_all(source, slots=9):
    found = []
    while (pack := source.next(slots)) is not None:
        found += pack.members
    return found


def test_a_queue_packs_when_it_knows_how_many_run_at_once():
    source = queue("a", "b", "c")

    assert source.wanted() == {"a", "b", "c"}
    assert not source.exhausted()
    assert take_all(source, slots=2) == ["a", "b"]
    assert source.exhausted()


def test_a_queue_of_nothing_is_exhausted_before_anybody_asks():
    assert queue().exhausted()
    assert queue().next(1) is None


def test_the_second_source_is_made_when_all_of_the_first_has_ended():
    seen = []

    class Heard(Queue):
        def observe(self, events):
            seen.extend(event.key for event in events)

    def following():
        assert seen == ["a"]
        return queue("b")

    trials = {"a": TRIAL}
    source = Then(Heard(trials, lambda _: [Pack(trials)]), following)
    assert take_all(source) == ["a"]
    assert source.wanted() == {"a"}
    source.observe([TrialEnded(key="a", attempt=0, status="finished", reason=None, at=0.0)])

    assert not source.exhausted()
    assert take_all(source) == ["b"]
    assert source.wanted() == {"a", "b"}
    assert source.exhausted()


def test_two_exhausted_sources_start_nothing():
    assert Then(queue(), queue).exhausted()
