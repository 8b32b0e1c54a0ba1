"""Packs whose members are fused: the results of members alone, however training goes."""

import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.errors import ConfigError
from tass_core.training import pack
from tass_core.training.groups import make_groups
from tass_core.training.pack import train_pack
from tass_core.training.pruning import Halving
from tass_core.training.results import EpochResult
from tass_core.trial import Trial, trial_key
from tass_core.workers import Shard
from tests.tass_core.training.test_reproducibility import numbers

CHANGES = [{}, {"model.tau": 0.0}, {"loss.lambda_s": 2.0}, {"loss.match": False}]


@pytest.fixture(scope="module")
def trials(base):
    return [Trial(base.with_values(change), 0) for change in CHANGES]


@pytest.fixture(scope="module")
def fused(trials, tiny, tmp_path_factory):
    return run(trials, tiny, tmp_path_factory.mktemp("fused"), fuse=3)


def run(trials, dataset, folder, **options):
    return numbers(train_pack(trials, dataset, folder=folder, **options))


def assert_close(found, want):
    """Losses within rounding; an answer or two may turn where two were all but equal."""
    assert found.keys() == want.keys()
    for key, events in want.items():
        assert [kind for kind, _ in found[key]] == [kind for kind, _ in events]
        for (kind, metrics), (_, expected) in zip(found[key], events, strict=True):
            assert metrics.keys() == expected.keys()
            for name, value in expected.items():
                if isinstance(kind, int) and "loss" in name:
                    assert metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


def test_fused_members_report_what_they_report_alone(trials, fused, tiny, tmp_path):
    assert_close(fused, run(trials, tiny, tmp_path))


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_fused_pack_that_was_stopped_continues_with_its_own_bits(
    epoch, trials, fused, tiny, tmp_path
):
    seen = 0

    def stop():
        nonlocal seen
        seen += 1
        return seen == epoch

    first = run(trials, tiny, tmp_path, fuse=3, stop=stop)
    second = run(trials, open_dataset(tiny.folder), tmp_path, fuse=3)
    assert {key: first[key] + second[key] for key in first} == fused


def test_a_pack_may_continue_with_another_width(trials, fused, tiny, tmp_path):
    first = run(trials, tiny, tmp_path, fuse=2, stop=lambda: True)
    second = run(trials, tiny, tmp_path)
    assert_close({key: first[key] + second[key] for key in first}, fused)


def test_a_width_of_one_keeps_the_bits(trials, tiny, tmp_path):
    assert run(trials, tiny, tmp_path / "1", fuse=1) == run(trials, tiny, tmp_path / "off")


def test_survivors_of_halving_go_on_in_a_smaller_stack(trials, tiny, tmp_path):
    halving = Halving(eta=2, min_epochs=1)
    found = run(trials[:3], tiny, tmp_path, fuse=3, pruner=halving)
    epochs = sorted(len(events) - 1 for events in found.values())
    assert epochs == [1, 2, 3]
    assert {events[-1][0] for events in found.values()} == {"pruned", "finished"}


def test_a_broken_member_leaves_the_stack_to_the_others(trials, base, tiny, tmp_path):
    broken = Trial(base.replace("optimiser.learning_rate", 1e30), 0)
    found = run([*trials[:2], broken], tiny, tmp_path / "three", fuse=3)
    assert found.pop(trial_key(broken, tiny.fingerprint))[-1][0] == "failed"
    assert_close(found, run(trials[:2], tiny, tmp_path / "two"))


def test_checkpoints_of_a_fused_pack_hold_one_member_each(trials, tiny, tmp_path):
    ends = [
        {e.key: e for e in train_pack(trials[:2], tiny, folder=tmp_path / name, fuse=fuse)}
        for name, fuse in (("solo", "off"), ("fused", 2))
    ]
    for key, end in ends[0].items():
        assert not isinstance(end, EpochResult)
        sizes = [(one[key].weights / "model.safetensors").stat().st_size for one in ends]
        assert sizes[0] == sizes[1]


def test_a_trial_tells_the_largest_stack_that_it_was_in(trials, tiny, tmp_path):
    list(train_pack(trials, tiny, folder=tmp_path, fuse=3, stop=lambda: True))
    events = list(train_pack(trials, tiny, folder=tmp_path))
    stacks = [event.fused for event in events if not isinstance(event, EpochResult)]
    assert stacks == [3, 3, 3, 1]


def test_stacks_are_made_once_whatever_the_order_of_members(trials, tiny, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(pack, "make_groups", lambda *a: made.append(1) or make_groups(*a))
    mixed = [trials[0], trials[3], trials[1]]
    run(mixed, tiny, tmp_path, fuse=3)
    assert made == [1]


def test_auto_trains_a_pack_and_remembers_what_it_measured(trials, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("TASS_CACHE", str(tmp_path / "cache"))
    want = run(trials, tiny, tmp_path / "off")
    assert_close(run(trials, tiny, tmp_path / "auto", fuse="auto"), want)
    remembered = (tmp_path / "cache" / "widths.json").read_bytes()
    run(trials, tiny, tmp_path / "again", fuse="auto", stop=lambda: True)
    assert (tmp_path / "cache" / "widths.json").read_bytes() == remembered


def test_workers_that_share_batches_cannot_fuse(trials, tiny, tmp_path):
    with pytest.raises(ConfigError, match="one worker to a pack"):
        run(trials, tiny, tmp_path, fuse=2, shard=Shard(0, 2))
    with pytest.raises(ConfigError, match="1 or more"):
        run(trials, tiny, tmp_path, fuse=0)
