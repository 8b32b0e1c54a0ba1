"""What no sweep needs is shown, and removed when somebody says so."""

import json

from jobs.storage import open_storage
from tracking.connect import connect
from tracking.reader import Reader


def store(own):
    return f"sqlite:///{own.folder / 'mlflow.db'}"


def survey(own, *more):
    return json.loads(own("gc", "--format", "json", "--tracking-uri", store(own), *more)[0])


def left(own):
    return dict(open_storage(str(own.folder / "tass-runs")).names(""))


def test_gc_shows_what_nobody_needs_and_removes_it_only_with_yes(own):
    before = left(own)

    shown = survey(own)
    assert left(own) == before
    assert not shown["removed"]
    names = {item["name"] for item in shown["waste"]}
    assert names
    assert all("/trials/" not in name for name in names)

    survey(own, "--yes")
    after = left(own)
    assert sum(before.values()) - sum(after.values()) >= sum(it["bytes"] for it in shown["waste"])
    assert survey(own)["waste"] == []


def test_gc_keeps_all_that_mlflow_points_at_and_every_result(own):
    survey(own, "--yes")

    trials = Reader(store(own)).held("tiny")
    names = left(own)
    assert len(trials) == 10
    for key, trial in trials.items():
        weights = "packs/" + trial.checkpoint.rpartition("/packs/")[2]
        assert f"{weights}/model.safetensors" in names
        assert f"trials/{key}.jsonl" in names
    _, said = own("sync", "--tracking-uri", f"sqlite:///{own.folder / 'new.db'}")
    assert "10 trials" in said


def test_gc_removes_weights_that_mlflow_has_let_go(own):
    from mlflow import MlflowClient

    trial = next(iter(Reader(store(own)).held("tiny").values()))
    MlflowClient(store(own)).set_tag(trial.run_id, "tass.checkpoint", "")

    survey(own, "--yes")

    weights = "packs/" + trial.checkpoint.rpartition("/packs/")[2]
    assert not [name for name in left(own) if name.startswith(weights)]


def test_gc_names_packs_of_another_version_and_leaves_them_alone(own):
    storage = open_storage(str(own.folder / "tass-runs"))
    storage.write("packs/0123456789abcdef/members.json", "{}")
    storage.write("packs/0123456789abcdee/000001-0001/members.json", "{}")

    _, said = own("gc", "--yes", "--tracking-uri", store(own))

    for key in ("0123456789abcdef", "0123456789abcdee"):
        assert f"packs/{key} (of another version, or damaged)" in said
        assert storage.names(f"packs/{key}")


def test_gc_with_a_store_that_knows_nothing_removes_no_result_and_no_open_pack(own):
    """A tracking store that is new, or a wrong URI."""
    connect(f"sqlite:///{own.folder / 'new.db'}")
    storage = open_storage(str(own.folder / "tass-runs"))
    name = next(name for name in storage.names("packs") if name.endswith("/pack.json"))
    index = json.loads(storage.read(f"packs/{name}"))
    index["records"][0]["status"] = "running"
    storage.write(f"packs/{name}", json.dumps(index))

    own("gc", "--yes", "--tracking-uri", f"sqlite:///{own.folder / 'new.db'}")

    after = left(own)
    assert f"packs/{name}" in after
    for trial in Reader(store(own)).held("tiny").values():
        assert "packs/" + trial.checkpoint.rpartition("/packs/")[2] + "/model.safetensors" in after
