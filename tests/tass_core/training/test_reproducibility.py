"""A trial is a pure function of (config, seed, dataset)."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from tass_core.batches import source
from tass_core.data.folder.dataset import open_dataset
from tass_core.errors import CheckpointError, ConfigError
from tass_core.training.pack import train_pack
from tass_core.training.pruning import Halving, Wilcoxon
from tass_core.training.results import EpochResult
from tass_core.trial import Trial, trial_key
from tests import ROOT

TIMINGS = ("questions_per_s",)


def numbers(events):
    """Everything a trial reports but its timings, by key."""
    found = {}
    for event in events:
        kind = event.epoch if isinstance(event, EpochResult) else event.status
        metrics = {n: v for n, v in event.metrics.items() if n not in TIMINGS}
        found.setdefault(event.key, []).append((kind, metrics))
    return found


def run(trials, dataset, folder, **options):
    return numbers(train_pack(trials, dataset, folder=folder, **options))


@pytest.fixture(scope="module")
def trials(base):
    changes = [{}, {"model.tau": 0.0}, {"loss.cms": "none"}, {"loss.match": False}]
    return [Trial(base.with_values(change), 0) for change in changes]


@pytest.fixture(scope="module")
def alone(trials, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    results = {}
    for index, trial in enumerate(trials):
        results |= run([trial], tiny, folder / str(index))
    return results


def test_the_same_trial_twice_gives_the_same_bits(trials, alone, tiny, tmp_path):
    again = run(trials[:1], tiny, tmp_path)
    assert again == {key: alone[key] for key in again}


def test_a_trial_in_a_pack_gives_the_bits_it_gives_alone(trials, alone, tiny, tmp_path):
    assert run(trials, tiny, tmp_path / "all") == alone
    assert run(trials[::-1], tiny, tmp_path / "reversed") == alone
    pair = run(trials[1:3], tiny, tmp_path / "pair")
    assert pair == {key: alone[key] for key in pair}


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_pack_stopped_after_any_epoch_continues_with_the_same_bits(
    epoch, trials, alone, tiny, tmp_path
):
    seen = 0

    def stop():
        nonlocal seen
        seen += 1
        return seen == epoch

    first = run(trials, tiny, tmp_path, stop=stop)
    assert {len(results) for results in first.values()} == {epoch}
    second = run(trials, tiny, tmp_path)
    assert {key: first[key] + second[key] for key in first} == alone
    assert run(trials, tiny, tmp_path) == {}
    assert run(trials, tiny, tmp_path, replay=True) == alone


CHILD = """
import sys
from pathlib import Path
import torch
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.training.pack import train_pack
from tass_core.trial import Trial
threads, folder, data, *configs = sys.argv[1:]
torch.set_num_threads(int(threads))  # another number adds up in another order
trials = [Trial(TrialConfig.from_json(Path(c).read_text()), 0) for c in configs]
for event in train_pack(trials, open_dataset(Path(data)), folder=Path(folder)):
    print(type(event).__name__, flush=True)
"""


@pytest.mark.system
def test_a_killed_process_costs_nothing_but_time(trials, alone, tiny, tmp_path):
    paths = []
    for index, trial in enumerate(trials):
        path = tmp_path / f"{index}.json"
        path.write_text(trial.config.to_json())
        paths.append(str(path))
    folder = tmp_path / "pack"
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-c", CHILD, threads, str(folder), str(tiny.folder), *paths]
    root = ROOT
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)}
    ) as child:
        assert child.stdout.readline().strip() == b"EpochResult"
        child.send_signal(signal.SIGKILL)
    assert run(trials, open_dataset(tiny.folder), folder, replay=True) == alone


def test_tau_0_and_tau_0_005_train_to_the_same_bits(base, tiny, tmp_path):
    pack = [Trial(base.replace("model.tau", tau), 0) for tau in (0.0, 0.005)]
    results = list(run(pack, tiny, tmp_path).values())
    assert len(results) == 2
    assert results[0] == results[1]


def test_another_seed_gives_other_numbers(base, tiny, tmp_path):
    one, other = (run([Trial(base, seed)], tiny, tmp_path / str(seed)) for seed in (0, 1))
    assert list(one.values()) != list(other.values())


def test_a_pretrained_pack_resumes_inside_its_pretraining(base, tiny, tmp_path):
    config = base.with_values({"model.init_from": "match", "optimiser.epochs": 1})
    whole = run([Trial(config, 0)], tiny, tmp_path / "whole")
    first = run([Trial(config, 0)], tiny, tmp_path / "cut", stop=lambda: True)
    assert first == {}
    assert run([Trial(config, 0)], tiny, tmp_path / "cut") == whole


def test_halving_drops_the_worse_and_leaves_the_survivors_numbers(trials, alone, tiny, tmp_path):
    results = run(trials, tiny, tmp_path, pruner=Halving(eta=2, min_epochs=1))
    epochs = sorted(len(events) - 1 for events in results.values())
    assert epochs == [1, 1, 2, 3]
    best = {key: events[0][1]["val/all"] for key, events in alone.items()}
    first_out = [key for key, events in results.items() if len(events) == 2]
    assert max(best[key] for key in first_out) <= min(
        best[key] for key in results if key not in first_out
    )
    for key, events in results.items():
        assert [e for e in events if isinstance(e[0], int)] == [
            e for e in alone[key] if isinstance(e[0], int)
        ][: len(events) - 1]
    assert {events[-1][0] for events in results.values()} == {"pruned", "finished"}


def test_a_run_that_ends_at_an_epoch_saves_it_and_goes_on_with_the_same_bits(
    trials, alone, tiny, tmp_path
):
    first = run(trials[:2], tiny, tmp_path, until=2, save_every=5)
    assert {len(events) for events in first.values()} == {2}
    assert run(trials[:2], tiny, tmp_path, until=2, save_every=5) == {}
    second = run(trials[:2], tiny, tmp_path, save_every=5)
    assert {key: first[key] + second[key] for key in first} == {key: alone[key] for key in first}


def test_wilcoxon_prunes_a_member_that_learns_nothing(base, tiny, tmp_path):
    lame = base.replace("optimiser.learning_rate", 1e-9)
    trials = [Trial(base, 0), Trial(lame, 0)]
    results = run(trials, tiny, tmp_path, pruner=Wilcoxon(p=0.2, min_epochs=1))
    ends = {key: events[-1][0] for key, events in results.items()}
    assert ends == {
        trial_key(trials[0], tiny.fingerprint): "finished",
        trial_key(trials[1], tiny.fingerprint): "pruned",
    }


def test_a_loss_that_is_not_finite_ends_that_member_alone(trials, alone, base, tiny, tmp_path):
    broken = Trial(base.replace("optimiser.learning_rate", 1e30), 0)
    results = run([trials[0], broken], tiny, tmp_path)
    assert results[trial_key(trials[0], tiny.fingerprint)] == next(iter(alone.values()))
    events = list(train_pack([trials[0], broken], tiny, folder=tmp_path, replay=True))
    failed = [e for e in events if not isinstance(e, EpochResult) and e.status == "failed"]
    assert len(failed) == 1
    assert "not finite at epoch" in failed[0].reason


def test_mismatched_frames_are_drawn_while_a_member_needs_them_and_no_longer(
    trials, alone, base, tiny, tmp_path, monkeypatch
):
    drawn = []
    draw = source.negatives_of_batch
    monkeypatch.setattr(source, "negatives_of_batch", lambda *a: drawn.append(1) or draw(*a))
    run([trials[0]], tiny, tmp_path / "matching")
    in_an_epoch = len(drawn) // base.optimiser.epochs
    broken = Trial(base.replace("optimiser.learning_rate", 1e30), 0)
    drawn.clear()
    results = run([broken, trials[3]], tiny, tmp_path / "pack")
    assert len(drawn) == in_an_epoch > 0
    key = trial_key(trials[3], tiny.fingerprint)
    assert results[key] == alone[key]


def test_a_folder_of_other_trials_is_refused(trials, tiny, tmp_path):
    run(trials[:1], tiny, tmp_path, stop=lambda: True)
    with pytest.raises(CheckpointError, match="give these trials a folder of their own"):
        run(trials[1:2], tiny, tmp_path)


def test_trials_that_cannot_share_a_pack_are_refused(base, tiny, tmp_path):
    with pytest.raises(ConfigError, match="share their seed"):
        run([Trial(base, 0), Trial(base, 1)], tiny, tmp_path)
    with pytest.raises(ConfigError, match="share their seed and their structure"):
        run([Trial(base, 0), Trial(base.replace("model.width", 64), 0)], tiny, tmp_path)
