"""What reaches MLflow is complete, there once, and finished only when it can be read back."""

import http.server
import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tass_core.errors import TrackingError
from tests.tracking.stories import DROPPED, ORIGIN, STORY, contents, ended, epoch, opened, trial
from tracking.events import Origin, PlanGrew
from tracking.reader import Reader
from tracking.writer import AwayError, MissingError, OrphanError, RefusedError, Writer


@pytest.fixture
def writer(uri, storage):
    return Writer(uri, storage)


def test_story_of_a_trial_arrives_complete(uri, writer):
    writer.apply(ORIGIN, STORY)

    (sweep, found) = contents(uri)
    status, end, tags, params, points = found
    assert sweep[0] == status == "FINISHED"
    assert end == 104_000
    assert {name: text for name, text in tags.items() if name.startswith("tass.")} == {
        "tass.kind": "trial",
        "tass.trial_key": "k1",
        "tass.seed": "0",
        "tass.fingerprint": "f1",
        "tass.state": "finished",
        "tass.reason": "",
        "tass.checkpoint": "/runs/packs/p/trials/k1/best",
        "tass.seconds_per_epoch": "0.500000",
        "tass.fused": "2",
        "tass.environment": "the worker's",
        "tass.group": tags["tass.group"],
    }
    assert params == {"model.tau": "0.02", "seed": "0"}
    assert points == {
        "val/all": [(1, 50.0, 102_000), (2, 60.0, 103_000)],
        "train/loss": [(1, 1.0, 102_000), (2, 0.5, 103_000)],
        "test/all": [(0, 55.0, 104_000)],
        "params_m": [(0, 1.5, 104_000)],
        "questions_per_s": [(0, 7.0, 104_000)],
        "best_val": [(0, 60.0, 104_000)],
    }


def test_trial_is_nested_under_its_sweep_and_its_answers_can_be_read(uri, writer):
    writer.apply(ORIGIN, STORY)

    run = Reader(uri).held("tiny")["k1"]
    assert run.parent == writer.sweep_run(ORIGIN, "s1")
    assert Reader(uri).predictions(run).predicted.tolist() == ["left", "two"]


@pytest.mark.parametrize("cut", range(1, len(STORY) + 2))
def test_story_told_again_from_anywhere_changes_nothing(uri, storage, cut):
    story = [*STORY, DROPPED]
    Writer(uri, storage).apply(ORIGIN, story)
    before = contents(uri)

    Writer(uri, storage).apply(ORIGIN, story[:cut])
    Writer(uri, storage).apply(ORIGIN, story)

    assert contents(uri) == before


def test_events_go_where_they_come_from_whichever_driver_carries_them(uri, writer):
    elsewhere = Origin("it's another", "f2", "/elsewhere")

    writer.apply(ORIGIN, STORY)
    writer.apply(elsewhere, STORY)

    found = Reader(uri).snapshot().trials["k1"]
    assert len({run.experiment_id for run in found}) == 2
    (own,) = (run for run in found if run.run_id == Reader(uri).held("tiny")["k1"].run_id)
    assert own.checkpoint == "/runs/packs/p/trials/k1/best"
    assert Reader(uri).held("it's another")["k1"].checkpoint == "/elsewhere/packs/p/trials/k1/best"


def test_trial_trained_again_adds_no_second_point_for_an_epoch(uri, storage):
    Writer(uri, storage).apply(ORIGIN, [opened(), trial(), epoch(1, 50.0, 102.0)])

    again = [trial(), epoch(1, 50.0, 202.0), epoch(2, 60.0, 203.0)]
    Writer(uri, storage).apply(ORIGIN, again)

    (_, found) = contents(uri)
    assert found[4]["val/all"] == [(1, 50.0, 102_000), (2, 60.0, 203_000)]


@pytest.mark.parametrize(("status", "expected"), [("failed", "FAILED"), ("pruned", "KILLED")])
def test_unfinished_trial_has_its_reason_and_neither_test_metric_nor_weights(
    uri, writer, status, expected
):
    end = ended(status=status, metrics={"val/all": 50.0, "test/all": 1.0}, weights="packs/p/best")

    writer.apply(ORIGIN, [opened(), trial(), epoch(1, 50.0, 102.0), end])

    (_, found) = contents(uri)
    assert found[0] == expected
    assert found[2]["tass.reason"] == "why"
    assert found[2]["tass.checkpoint"] == ""
    assert not [name for name in found[4] if name.startswith("test/")]


def test_failed_trial_may_be_opened_again_and_finish_in_the_same_run(uri, storage):
    Writer(uri, storage).apply(ORIGIN, [opened(), trial(), ended(status="failed")])
    assert Reader(uri).held("tiny")["k1"].state == "failed"

    Writer(uri, storage).apply(ORIGIN, [trial()])
    assert Reader(uri).held("tiny")["k1"].state == "running"

    Writer(uri, storage).apply(ORIGIN, STORY[1:])
    (_, found) = contents(uri)
    assert (found[0], found[2]["tass.state"]) == ("FINISHED", "finished")
    assert found[2]["tass.reason"] == ""


def test_dropped_weights_are_no_longer_named(uri, writer):
    writer.apply(ORIGIN, [*STORY, DROPPED])

    assert Reader(uri).held("tiny")["k1"].checkpoint == ""


def test_a_plan_that_grew_replaces_the_first(uri, writer):
    writer.apply(
        ORIGIN,
        [opened(), PlanGrew(sweep="s1", plan={"sweep": "tau", "trials": {"k9": {}}}, at=101.0)],
    )

    [sweep] = Reader(uri).snapshot().sweeps
    assert sweep.keys == {"k9"}


TRIAL = "storage/packs/p/trials/k1"


@pytest.mark.parametrize(
    ("file", "damage", "error", "said"),
    [
        ("predictions.parquet", None, MissingError, "predictions.parquet is not in the storage"),
        ("predictions.parquet", b"PAR1", MissingError, "no predictions can be read"),
        ("best/config.json", None, MissingError, r"checkpoint /runs/.*/best lacks config\.json"),
        ("best/model.safetensors", None, MissingError, r"lacks model\.safetensors"),
        ("best/model.safetensors", b"", MissingError, r"lacks model\.safetensors"),
        ("best/config.json", b'{"trial_key": "k2"}', RefusedError, "is that of trial k2"),
    ],
)
def test_a_trial_with_a_file_that_cannot_be_read_is_never_finished(
    uri, writer, tmp_path, file, damage, error, said
):
    path = tmp_path / TRIAL / file
    whole = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    writer.apply(ORIGIN, STORY[:4])

    with pytest.raises(error, match=f"k1.*{said}"):
        writer.apply(ORIGIN, [ended()])
    assert Reader(uri).held("tiny")["k1"].state == "running"

    path.write_bytes(whole)
    writer.apply(ORIGIN, [ended()])
    assert Reader(uri).held("tiny")["k1"].state == "finished"


def test_a_trial_without_predictions_or_their_videos_is_refused(writer, tmp_path):
    path = tmp_path / TRIAL / "predictions.parquet"
    pq.write_table(pq.read_table(path).drop(["video"]), path)
    writer.apply(ORIGIN, STORY[:4])

    with pytest.raises(RefusedError, match="without predictions"):
        writer.apply(ORIGIN, [ended(predictions=None)])
    with pytest.raises(RefusedError, match=r"name no videos.*remove packs/p from /runs and run"):
        writer.apply(ORIGIN, [ended()])


def test_a_trial_whose_checkpoint_is_not_kept_needs_none(uri, writer, tmp_path):
    shutil.rmtree(tmp_path / TRIAL / "best")

    writer.apply(ORIGIN, [*STORY[:4], ended(weights=None)])

    assert Reader(uri).held("tiny")["k1"].state == "finished"


def test_a_trial_is_not_finished_before_its_predictions_are_stored(uri, writer, tmp_path):
    writer.apply(ORIGIN, STORY[:4])
    folder = Path(Reader(uri).held("tiny")["k1"].artifact_uri)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the artifacts belong")

    with pytest.raises(AwayError):
        writer.apply(ORIGIN, [ended()])
    assert Reader(uri).held("tiny")["k1"].state == "running"

    folder.unlink()
    writer.apply(ORIGIN, [ended()])
    assert Reader(uri).held("tiny")["k1"].state == "finished"


def test_events_of_a_run_that_is_not_there_are_orphans(writer):
    with pytest.raises(OrphanError, match="trial nobody has no run in tass/tiny"):
        writer.apply(ORIGIN, [epoch(1, 50.0, 102.0, key="nobody")])
    with pytest.raises(OrphanError, match="sweep s9 has no run"):
        writer.apply(ORIGIN, [trial(sweep="s9")])


def test_a_deleted_experiment_is_refused_with_what_to_do(uri, storage):
    Writer(uri, storage).apply(ORIGIN, STORY)
    client = MlflowClient(uri)
    client.delete_experiment(client.get_experiment_by_name("tass/tiny").experiment_id)

    with pytest.raises(RefusedError, match=r"'tass/tiny' is deleted; restore it with `mlflow exp"):
        Writer(uri, storage).open("tiny")


def test_a_deleted_run_refuses_events_for_good(uri, writer):
    writer.apply(ORIGIN, STORY[:3])
    MlflowClient(uri).delete_run(Reader(uri).held("tiny")["k1"].run_id)

    with pytest.raises(RefusedError, match="deleted"):
        writer.apply(ORIGIN, [epoch(2, 60.0, 103.0)])


def test_a_read_only_database_is_away_and_not_a_refusal(uri, storage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = Writer(uri, storage)
    writer.apply(ORIGIN, [opened()])
    read_only = Writer(f"sqlite:///file:{tmp_path / 'mlflow.db'}?mode=ro&uri=true", storage)

    with pytest.raises(AwayError, match=r"readonly.*; make the database writable, or name another"):
        read_only.open("tiny")
    with pytest.raises(AwayError, match="readonly"):
        read_only.apply(ORIGIN, [trial()])


@pytest.mark.parametrize(
    ("code", "body", "fix"),
    [
        (401, b"You are not authenticated.", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        (403, b"Permission denied", "ask whoever runs the server for the right to write there"),
        (
            403,
            b"Invalid Host header - possible DNS rebinding",
            "server with --allowed-hosts",
        ),
    ],
)
def test_a_server_that_refuses_us_is_said_at_the_door_with_what_to_do(storage, code, body, fix):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.code, proxy.body = code, body
        threading.Thread(target=proxy.serve_forever, daemon=True).start()

        with pytest.raises(TrackingError, match=f"error code {code}.*; .*{fix}"):
            Writer(f"http://127.0.0.1:{proxy.server_port}", storage).open("tiny")
        proxy.shutdown()


class Proxy(http.server.BaseHTTPRequestHandler):
    """Something between us and the server that lets reads through to nobody and refuses all."""

    def answer(self):
        if self.path.endswith("experiments/search"):
            self.reply(200, b"{}")
        else:
            self.reply(self.server.code, self.server.body)

    do_GET = do_POST = answer  # noqa: N815

    def reply(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("code", "body", "error"),
    [
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>", AwayError),
        (400, b'{"code": 400, "message": "header too large"}', AwayError),
        (404, b"<html>404 page not found</html>", AwayError),
        (404, b'{"error_code": 404, "message": "no route"}', AwayError),
        (413, b"<html>413 Request Entity Too Large</html>", AwayError),
        (502, b"<html>502 Bad Gateway</html>", AwayError),
        (200, b"<html>Log in to go on</html>", AwayError),
        (400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}', RefusedError),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}', RefusedError),
    ],
)
def test_only_the_servers_own_answer_is_final(storage, code, body, error):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.code, proxy.body = code, body
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        writer = Writer(f"http://127.0.0.1:{proxy.server_port}", storage)

        with pytest.raises(error) as raised:
            writer.apply(ORIGIN, STORY)
        proxy.shutdown()

    assert isinstance(raised.value, RefusedError) == (error is RefusedError)


PLAN = {
    "sweep": "mine",
    "trials": {"k1": {}, "k2": {}},
    "tables": [
        {"key": "t", "rows": [{"name": "w/o T-A", "trials": {"0": "k1"}}]},
        {"key": "u", "rows": [{"name": "TASS", "trials": {"0": "k1"}}]},
    ],
}


def test_trial_names_the_rows_it_fills_in_every_sweep_whoever_trained_it(uri, writer):
    writer.apply(ORIGIN, STORY)
    writer.apply(ORIGIN, [opened("s2"), PlanGrew(sweep="s2", plan=PLAN, at=110.0)])

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tass/tiny").experiment_id
    (run,) = client.search_runs([experiment], "tags.`tass.sweep.mine` LIKE '%w/o T-A%'")
    assert run.data.tags["tass.trial_key"] == "k1"
    assert run.data.tags["tass.sweep.mine"] == "t: w/o T-A; u: TASS"


def test_dataset_stands_in_its_column_once_for_sweep_and_trial(uri, writer):
    writer.apply(ORIGIN, STORY)
    writer.apply(ORIGIN, STORY)

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tass/tiny").experiment_id
    for run in client.search_runs([experiment]):
        (found,) = run.inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("tiny", "f1")
        assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "training")]
