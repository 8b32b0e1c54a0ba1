"""A pack's folder: whole after a kill at any moment, and refused when it is another's."""

import json
import shutil

import pytest

from tass_core.errors import CheckpointError
from tass_core.training.pack import train_pack
from tass_core.training.resume import Record, read_state
from tass_core.trial import Trial
from tests.tass_core.mishaps import killed_at_every_call

TIMED = {"pack.json", "metrics.json"}


def files(folder):
    """The bytes of all files that hold no times."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {path.relative_to(folder): path.read_bytes() for path in found}


def put_back(before, folder):
    shutil.rmtree(folder)
    shutil.copytree(before, folder)


@pytest.fixture(scope="module")
def trials(base):
    small = base.with_values(
        {"model.width": 8, "optimiser.epochs": 2, "optimiser.batch_size": 256, "data.t2": 6}
    )
    changes = [{"optimiser.learning_rate": 3e-2}, {"model.tau": 0.0}]
    return [Trial(small.with_values(change), 0) for change in changes]


@pytest.mark.system
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_kill_at_any_call_of_a_save_costs_nothing_but_time(epoch, trials, tiny, tmp_path):
    """Epoch 1 saves tensors and the first best weights; epoch 2 is the last."""
    pack, before = tmp_path / "pack", tmp_path / "before"
    pack.mkdir()
    if epoch == 2:
        list(train_pack(trials, tiny, folder=pack, stop=lambda: True))
    shutil.copytree(pack, before)

    def one_epoch():
        list(train_pack(trials, tiny, folder=pack, stop=lambda: True))

    def committed():
        index = pack / "pack.json"
        return json.loads(index.read_text())["epoch"] if index.exists() else 0

    one_epoch()
    whole = files(pack)
    put_back(before, pack)
    kills = 0
    for kill in killed_at_every_call(one_epoch, pack):
        kills = kill + 1
        if committed() < epoch or epoch == 2:
            one_epoch()
            assert files(pack) == whole
        else:
            assert files(pack).items() >= whole.items()
        put_back(before, pack)
    assert kills >= 10


def test_best_weights_of_an_epoch_are_what_the_index_names(trials, tiny, tmp_path):
    events = list(train_pack(trials, tiny, folder=tmp_path))
    for record in json.loads((tmp_path / "pack.json").read_text())["records"]:
        kept = [path.name for path in (tmp_path / "trials" / record["key"]).iterdir()]
        assert sorted(kept) == [f"best-{record['best_epoch']:04d}", "predictions.parquet"]
    assert all(event.weights.is_dir() for event in events if hasattr(event, "weights"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: saved | {"format": 99},
        lambda saved: {name: saved[name] for name in saved if name != "format"},
        lambda saved: {name: saved[name] for name in saved if name != "epoch"},
        lambda saved: saved | {"records": [record | {"more": 1} for record in saved["records"]]},
        lambda saved: saved | {"records": [{}]},
        lambda saved: saved | {"records": None},
        lambda saved: saved | {"epoch": "last"},
    ],
)
def test_an_index_of_another_version_is_refused_with_a_way_out(damage, trials, tiny, tmp_path):
    list(train_pack(trials[:1], tiny, folder=tmp_path, stop=lambda: True))
    index = tmp_path / "pack.json"
    index.write_text(json.dumps(damage(json.loads(index.read_text()))))
    with pytest.raises(CheckpointError, match=r"pack\.json: .*remove .* to train its trials anew"):
        list(train_pack(trials[:1], tiny, folder=tmp_path))


def test_tensors_of_other_networks_are_refused(trials, tiny, tmp_path):
    wide = [Trial(trial.config.replace("model.width", 32), 0) for trial in trials]
    for name, pack in (("narrow", trials), ("wide", wide)):
        list(train_pack(pack, tiny, folder=tmp_path / name, stop=lambda: True))
    other = next((tmp_path / "wide" / "state-0001").iterdir())
    for path in (tmp_path / "narrow" / "state-0001").iterdir():
        shutil.copy(other, path)
    with pytest.raises(CheckpointError, match="does not fit trial"):
        list(train_pack(trials, tiny, folder=tmp_path / "narrow"))


def test_a_new_folder_starts_before_the_first_epoch(tmp_path):
    state = read_state(tmp_path, ["a", "b"], -1)
    assert (state.epoch, state.records) == (-2, [Record("a"), Record("b")])


def test_the_later_of_equal_epochs_is_the_best():
    record = Record("a")
    assert [record.note({"val/all": value}) for value in (50.0, 40.0, 50.0)] == [True, False, True]
    assert record.best_epoch == 3
