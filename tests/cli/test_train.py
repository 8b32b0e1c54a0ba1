"""``tass-cli train`` and ``tass-cli evaluate`` as a person uses them: in a process."""

import json
import subprocess
import sys

import pytest

from tass_core.data.world.make import make_world
from tests import ROOT

SMALL = ["--set", "optimiser.epochs=2", "--set", "data.t2=2", "--threads", "1"]


def tass(*arguments, folder):
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_world("tiny", folder / "tiny", seed=0)
    return folder


def test_train_shows_epochs_then_accuracy_by_type_and_says_what_it_is_not(place):
    done = tass("train", "--data", "tiny", *SMALL, folder=place)
    assert done.returncode == 0, done.stderr
    assert "epoch  1/2" in done.stderr
    assert "epoch  2/2" in done.stderr
    for words in ("Audio: Counting", "Audio-Visual: Temporal", "All", "not MUSIC-AVQA results"):
        assert words in done.stdout


def test_the_same_command_twice_prints_the_same_metrics_and_trains_once(place):
    command = ("train", "--data", "tiny", *SMALL, "--seed", "3", "--format", "json")
    one, again = (json.loads(tass(*command, folder=place).stdout) for _ in range(2))
    assert one == again
    fresh = json.loads(tass(*command, "--output", "elsewhere", folder=place).stdout)
    timed = {"questions_per_s"}
    keep = [
        {name: value for name, value in run["metrics"].items() if name not in timed}
        for run in (one, fresh)
    ]
    assert keep[0] == keep[1]


def test_evaluate_gives_the_test_metrics_that_training_printed(place):
    run = json.loads(
        tass("train", "--data", "tiny", *SMALL, "--format", "json", folder=place).stdout
    )
    found = tass("evaluate", run["checkpoint"], "--data", "tiny", "--format", "json", folder=place)
    metrics = json.loads(found.stdout)["metrics"]
    accuracies = {name: value for name, value in metrics.items() if "entropy" not in name}
    for name, value in accuracies.items():
        assert run["metrics"][f"test/{name}"] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "model.tou=1"], "unknown field 'model.tou'; did you mean 'model.tau'?"),
        (["--set", "data.t2=7"], "data.t2 = 7 does not fit"),
        (["--config", "absent.json"], "absent.json: cannot be read"),
        (["--device", "cuda:9"], "no CUDA device"),
        (["--device", "tpu"], "--device tpu is unknown"),
        (["--seed", "-1"], "seed = -1 is out of range"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(arguments, message, place):
    done = tass("train", "--data", "tiny", *arguments, folder=place)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluating_what_is_no_checkpoint_says_so(place):
    done = tass("evaluate", "tiny", "--data", "tiny", folder=place)
    assert done.returncode == 2
    assert "is this a checkpoint folder?" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_is_not_there_is_named(place):
    done = tass("train", "--data", "nowhere", folder=place)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
