"""`tass-cli status`: which sweeps there are and what became of their trials."""

import json

from tests.tracking.stories import ORIGIN, closed, opened
from tracking.connect import connect
from tracking.outbox import Outbox


def test_finished_sweep_counts_its_trials(swept):
    out, _ = swept("status", "--format", "json")

    first = json.loads(out)["sweeps"][-1]
    assert first["sweep"] == "ablations"
    assert first["status"] == "finished"
    assert first["dataset"] == "tiny"
    assert first["seeds"] == [0, 1]
    assert first["trials"] == {
        "wanted": 10,
        "finished": 10,
        "failed": 0,
        "pruned": 0,
        "running": 0,
        "missing": 0,
    }
    assert first["command"].startswith("tass-cli sweep ablations")


def test_text_names_each_sweep(swept):
    out, _ = swept("status")

    assert "ablations" in out
    assert "10/10 done" in " ".join(out.split())


def test_a_narrow_terminal_hides_nothing(swept, monkeypatch):
    monkeypatch.setattr("cli.options.WIDE", 66)

    out, _ = swept("status")

    assert {"ablations", "tiny", "finished", "10/10", "done"} <= set(out.split())
    assert "…" not in out


def test_without_a_database_there_is_a_hint(tmp_path, shell):
    _, err = shell("status", "--tracking-uri", f"sqlite:///{tmp_path / 'absent.db'}", code=2)

    assert "run `tass-cli sweep ablations` here first" in " ".join(err.split())


def test_what_mlflow_refused_is_shown_and_sent_again(tmp_path, shell):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    connect(uri)
    look = ("status", "--tracking-uri", uri, "--storage", tmp_path / "tass-runs")
    shell(*look)
    assert not (tmp_path / "tass-runs").exists()
    outbox = Outbox(tmp_path / "tass-runs", uri)
    outbox.post(ORIGIN, [opened(), closed()])
    outbox.refuse(outbox.take()[0], "the experiment is deleted")

    text, _ = shell(*look)
    assert "1 events wait in the outbox" in text
    assert "s1: the experiment is deleted" in text
    told = json.loads(shell(*look, "--format", "json")[0])["outbox"]
    assert (told["waiting"], [letter["of"] for letter in told["dead_letters"]]) == (1, ["s1"])

    out, err = shell(*look, "--resend", "--format", "json")
    assert "Sent 1 refused events again; 0 of them" in err
    assert json.loads(out)["outbox"] == {"waiting": 0, "dead_letters": []}
    assert [sweep["status"] for sweep in json.loads(out)["sweeps"]] == ["finished"]
