"""The outbox empties into MLflow, whatever stands in the way of some of it."""

import http.server
import shutil
import threading
import urllib.error
import urllib.request

import pytest
from mlflow import MlflowClient

from tests.tracking.stories import DROPPED, ORIGIN, STORY, contents, ended, epoch, opened, trial
from tracking.delivery import Delivery
from tracking.events import Origin
from tracking.outbox import Outbox
from tracking.reader import Reader
from tracking.writer import Writer

PATIENCE = 60


@pytest.fixture
def start(tmp_path, storage):
    """Return what starts a delivery over the same outbox, each with a writer of its own."""
    started = []

    def begin(uri, grace=PATIENCE):
        outbox, writer = Outbox(tmp_path / "home", "store"), Writer(uri, storage)
        delivery = Delivery(outbox, writer, again=0.2, grace=grace)
        delivery.start()
        started.append(delivery)
        return delivery

    yield begin
    for delivery in started:
        delivery.close()


def test_what_an_earlier_driver_left_is_carried_to_its_own_experiment(uri, start, tmp_path):
    Outbox(tmp_path / "home", "store").post(ORIGIN, STORY)
    Outbox(tmp_path / "home", "store").post(Origin("other", "f2", "/elsewhere"), STORY)

    delivery = start(uri)

    assert delivery.drain(PATIENCE)
    assert len(contents(uri)) == 2
    assert {run.dataset for run in Reader(uri).snapshot().sweeps} == {"tiny"}
    assert len(Reader(uri).snapshot("other").trials["k1"]) == 1
    assert delivery.refused == {}


def test_an_event_refused_for_good_stops_no_other_and_is_kept(uri, start, tmp_path):
    delivery = start(uri)

    delivery.post(ORIGIN, [epoch(1, 1.0, 1.0, key="nobody"), *STORY])

    assert delivery.drain(PATIENCE)
    assert len(contents(uri)) == 2
    assert delivery.refused.keys() == {"nobody"}
    assert [letter.lane for letter in Outbox(tmp_path / "home", "store").dead_letters()] == [
        "nobody"
    ]


def test_only_the_lane_in_trouble_waits(uri, start, tmp_path):
    delivery = start(uri)
    delivery.post(ORIGIN, [opened(), trial()])
    assert delivery.drain(PATIENCE)
    blocked = tmp_path / "mlartifacts/tass/tiny" / Reader(uri).held("tiny")["k1"].run_id
    blocked.mkdir(parents=True)
    (blocked / "artifacts").write_text("a file where the artifacts belong")

    end = [ended(), trial("k2"), epoch(1, 50.0, 102.0, key="k2"), ended("k2", "failed")]
    delivery.post(ORIGIN, end)

    assert delivery.drain(PATIENCE, lane="k2")
    assert not delivery.drain(0.2)
    assert delivery.away is None
    assert "artifacts" in delivery.trouble
    assert {key: run.state for key, run in Reader(uri).held("tiny").items()} == {
        "k1": "running",
        "k2": "failed",
    }
    (blocked / "artifacts").unlink()
    assert delivery.drain(PATIENCE)
    assert delivery.trouble is None
    assert Reader(uri).held("tiny")["k1"].state == "finished"


def test_a_missing_file_is_waited_for_and_stops_no_other_trial(uri, start, tmp_path):
    folder = tmp_path / "storage/packs/p/trials/k1"
    folder.rename(tmp_path / "late")
    delivery = start(uri)

    delivery.post(ORIGIN, [*STORY[:5], trial("k2"), ended("k2", "failed")])
    assert delivery.drain(PATIENCE, lane="k2")
    assert not delivery.drain(0.5)
    assert Reader(uri).held("tiny")["k1"].state == "running"
    assert "lacks config.json" in delivery.trouble
    (tmp_path / "late").rename(folder)

    assert delivery.drain(PATIENCE)
    assert Reader(uri).held("tiny")["k1"].state == "finished"
    assert delivery.trouble is None


def test_a_file_that_stays_away_makes_a_dead_letter_and_frees_its_lane(uri, start, tmp_path):
    shutil.rmtree(tmp_path / "storage")
    delivery = start(uri, grace=0.3)

    delivery.post(ORIGIN, [*STORY[:5], ended(status="failed")])

    assert delivery.drain(PATIENCE)
    assert "lacks config.json" in delivery.refused["k1"]
    assert Reader(uri).held("tiny")["k1"].state == "failed"


def test_a_checkpoint_that_was_dropped_before_its_trial_arrived_is_not_waited_for(
    uri, start, tmp_path
):
    outbox = Outbox(tmp_path / "home", "store")
    outbox.post(ORIGIN, [*STORY[:5], DROPPED])
    shutil.rmtree(tmp_path / "storage/packs/p/trials/k1/best")

    delivery = start(uri)

    assert delivery.drain(PATIENCE)
    run = Reader(uri).held("tiny")["k1"]
    assert (run.state, run.checkpoint, delivery.refused) == ("finished", "", {})


def test_trials_wait_for_the_run_of_a_sweep_that_is_late(uri, start, tmp_path):
    delivery = start(uri)
    delivery.post(ORIGIN, [opened("s0")])
    assert delivery.drain(PATIENCE)
    shutil.rmtree(tmp_path / "mlartifacts/tass/tiny")
    (tmp_path / "mlartifacts/tass/tiny").write_text("a file where the artifacts belong")

    delivery.post(ORIGIN, STORY[:3])
    assert not delivery.drain(0.5)
    (tmp_path / "mlartifacts/tass/tiny").unlink()

    assert delivery.drain(PATIENCE)
    assert delivery.refused == {}
    assert Reader(uri).held("tiny").keys() == {"k1"}


def test_two_drivers_with_one_outbox_deliver_everything_once(uri, start):
    first, second = start(uri), start(uri)

    for number in range(1, 6):
        first.post(ORIGIN, [opened(), trial(), epoch(number, 50.0, 100.0 + number)])
        second.post(ORIGIN, [opened(), trial("k2"), epoch(number, 50.0, 100.0 + number, "k2")])

    assert first.drain(PATIENCE)
    assert second.drain(PATIENCE)
    sweep, *trials = contents(uri)
    assert sweep[2]["tass.sweep_key"] == "s1"
    assert len(trials) == 2
    for found in trials:
        assert [step for step, _, _ in found[4]["val/all"]] == [1, 2, 3, 4, 5]


@pytest.mark.system
def test_a_server_that_goes_and_comes_back_gets_everything(server, start):
    delivery = start(server.url)
    delivery.post(ORIGIN, STORY[:3])
    assert delivery.drain(PATIENCE)

    server.kill()
    delivery.post(ORIGIN, STORY[3:])
    assert not delivery.drain(1)
    assert delivery.away
    server.start()

    assert delivery.drain(PATIENCE)
    run = Reader(server.url).held("tiny")["k1"]
    assert run.state == "finished"
    assert Reader(server.url).predictions(run).correct.tolist() == [False, True]
    assert MlflowClient(server.url).get_metric_history(run.run_id, "val/all")[-1].value == 60.0


class Losing(http.server.BaseHTTPRequestHandler):
    """A way to a server on which every other answer about a new run is lost."""

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"{self.server.to}{self.path}"
        asked = urllib.request.Request(url, body or None, dict(self.headers), method=self.command)
        try:
            with urllib.request.urlopen(asked) as answer:
                code, said = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            code, said = error.code, error.read()
        if self.path.endswith("runs/create"):
            self.server.made += 1
            if self.server.made % 2:
                code, said = 504, b"<html>504 Gateway Time-out</html>"
        self.send_response(code)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = pass_on  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.mark.system
def test_an_answer_that_is_lost_on_its_way_makes_no_second_run(server, start):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Losing) as way:
        way.to, way.made = server.url, 0
        threading.Thread(target=way.serve_forever, daemon=True).start()
        delivery = start(f"http://127.0.0.1:{way.server_port}")
        for event in STORY:
            delivery.post(ORIGIN, [event])
            assert delivery.drain(PATIENCE)
            way.made = 0
        delivery.close()
        way.shutdown()

    client = MlflowClient(server.url)
    runs = client.search_runs([client.get_experiment_by_name("tass/tiny").experiment_id])
    assert sorted(run.data.tags["tass.kind"] for run in runs) == ["sweep", "trial"]
    assert all(len(run.inputs.dataset_inputs) == 1 for run in runs)


@pytest.mark.system
def test_reading_says_that_the_server_is_gone_and_takes_no_silence_for_absence(server, start):
    delivery = start(server.url)
    delivery.post(ORIGIN, STORY)
    assert delivery.drain(PATIENCE)
    snapshot = Reader(server.url).snapshot()
    [run] = snapshot.trials["k1"]
    server.kill()

    with pytest.raises(Exception, match="tracking URI") as error:
        snapshot.predictions(run)

    assert type(error.value).__name__ == "TrackingError"
