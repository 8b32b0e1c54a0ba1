"""What of a search's packs is kept while its survivors go on, and let go when they have ended."""

import json

import pytest

from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.storage.collect import survey
from jobs.storage.results import StoredSweep, store_sweep
from jobs.storage.saved import INDEX, MEMBERS
from tass_core.config import TrialConfig
from tass_core.training.pruning import Halving
from tass_core.training.results import FORMAT
from tass_core.trial import Trial
from tests.stores import new_store
from tracking.events import SweepOpened
from tracking.reader import Reader

TRIALS = {
    key: Trial(TrialConfig().replace("model.tau", n / 100), 0) for n, key in enumerate("wxyz")
}
RULE = Halving(eta=2, min_epochs=1)


@pytest.fixture
def storage(tmp_path):
    """A storage that a search over all trials uses."""
    storage = open_storage(str(tmp_path / "runs"))
    opened = SweepOpened(sweep="s", name="s", plan={"trials": dict.fromkeys(TRIALS)}, tags={}, at=0)
    store_sweep(storage, StoredSweep(opened, None))
    return storage


def save(storage, pack, **states):
    """Let a pack's process leave what says how its members are."""
    folder = f"packs/{pack.key}/000001-0001"
    records = [{"key": key, "status": status} for key, status in states.items()]
    storage.write(f"{folder}/{MEMBERS}", json.dumps(pack.to_dict()))
    index = {"format": FORMAT, "epoch": pack.since + 1, "records": records}
    storage.write(f"{folder}/{INDEX}", json.dumps(index))


def pack(keys, rule=RULE, since=0, origins=None):
    return Pack({key: TRIALS[key] for key in keys}, rule, since=since, origins=origins or {})


def waste(storage, tmp_path):
    snapshot = Reader(new_store(tmp_path)).snapshot()
    return {item.name.removeprefix("packs/") for item in survey(storage, snapshot).waste}


def test_the_packs_on_a_survivors_way_are_kept_until_it_has_ended(storage, tmp_path):
    first, second = pack("wx"), pack("yz")
    third = pack("wy", since=1, origins={"w": first.key, "y": second.key})
    fourth = pack("w", since=2, origins={"w": third.key})
    save(storage, first, w="running", x="pruned")
    save(storage, second, y="running", z="pruned")
    save(storage, third, w="running", y="running")
    assert waste(storage, tmp_path) == set()

    save(storage, third, w="running", y="pruned")
    assert waste(storage, tmp_path) == {second.key}

    save(storage, fourth, w="running")
    assert waste(storage, tmp_path) == {second.key}

    save(storage, fourth, w="pruned")
    assert waste(storage, tmp_path) == {first.key, second.key, third.key, fourth.key}


def test_another_search_that_goes_on_with_the_same_trial_keeps_its_packs(storage, tmp_path):
    first, other = pack("wx"), pack("wx", rule=Halving(eta=2, min_epochs=2))
    later = pack("w", since=1, origins={"w": first.key})
    save(storage, first, w="running", x="pruned")
    save(storage, later, w="pruned")
    save(storage, other, w="running", x="running")

    assert waste(storage, tmp_path) == {first.key, later.key}


def test_a_pack_that_prunes_nobody_is_kept_though_it_was_divided(storage, tmp_path):
    whole = pack("wx", rule=None)
    save(storage, whole, w="running", x="running")
    save(storage, whole.part("w"), w="failed")
    save(storage, whole.part("x"), x="failed")

    assert whole.key not in waste(storage, tmp_path)
