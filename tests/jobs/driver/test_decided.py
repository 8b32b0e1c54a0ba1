"""Whoever is to be told hears of each claim once, when it is decided."""

import threading

from mlflow import MlflowClient

from evidence.claims import check
from jobs.driver import decided
from jobs.driver.decided import ClaimNotifier, notifying
from jobs.driver.overseer import send
from jobs.driver.progress import Progress
from tass_core.errors import TrackingError
from tracking import schema


def sentences(store):
    """The claims that a store decides, by another way."""
    results = check(store.snapshot(), sweep=store.parent).results
    return {it.claim.sentence for it in results if it.decision != "undecided"}


def told(message, sentences):
    return {sentence for sentence in sentences if sentence in message["body"]}


def test_a_claim_is_told_of_once_also_by_the_next_command(own_copy, webhook):
    url, got = webhook
    client = MlflowClient(own_copy.uri)
    late = own_copy.run("table7", "Dual-stream, w/ L_cms", 2)
    client.set_tag(late, schema.STATE, "running")
    before = sentences(own_copy)

    def notifier():
        return ClaimNotifier(
            own_copy.uri, "toy", own_copy.parent, lambda title, body: send(url, title, body)
        )

    first = notifier()
    first.look()
    first.look()
    client.set_tag(late, schema.STATE, "finished")
    after = sentences(own_copy)
    notifier().look()
    notifier().look()

    assert (
        "The single stream has fewer trainable parameters than the dual stream." in after - before
    )
    assert {message["title"] for message in got} <= {
        "Sweep ablations: a claim is decided",
        *(f"Sweep ablations: {number} claims are decided" for number in range(2, 9)),
    }
    assert [told(message, after) for message in got] == [before, after - before]
    assert "holds: The single stream has fewer" in got[1]["body"]


def test_it_looks_when_trials_have_finished_and_goes_on_after_an_error(monkeypatch):
    monkeypatch.setattr(decided, "PAUSE", 0.01)
    progress, looked = Progress("tau", {}, {}), threading.Semaphore(0)

    class Away:
        def look(self):
            looked.release()
            raise TrackingError("the store does not answer")

    with notifying(Away(), progress):
        assert not looked.acquire(timeout=0.2)
        progress.done = 1
        assert looked.acquire(timeout=60)
        assert looked.acquire(timeout=60)
