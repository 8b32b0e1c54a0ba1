"""`tass-cli status`: which sweeps there are and what became of their trials."""

import json


def test_finished_sweep_counts_its_trials(swept):
    out, _ = swept("status", "--format", "json")

    first = json.loads(out)["sweeps"][-1]
    assert first["sweep"] == "ablations"
    assert first["status"] == "finished"
    assert first["dataset"] == "tiny"
    assert first["seeds"] == [0, 1]
    assert first["trials"] == {
        "wanted": 16,
        "finished": 16,
        "failed": 0,
        "pruned": 0,
        "running": 0,
        "missing": 0,
    }
    assert first["command"].startswith("tass-cli sweep ablations")


def test_text_names_each_sweep(swept):
    out, _ = swept("status")

    assert "ablations" in out
    assert "16/16 done" in " ".join(out.split())


def test_without_a_database_there_is_a_hint(tmp_path, shell):
    _, err = shell("status", "--tracking-uri", f"sqlite:///{tmp_path / 'absent.db'}", code=2)

    assert "run `tass-cli sweep ablations` here first" in " ".join(err.split())
