"""The examples run as a newcomer would run them, on tiny worlds, and say what they are to say."""

import json
import os
import subprocess
import sys

import pytest

from tass_core.data.world.make import make_world
from tests import ROOT

pytestmark = pytest.mark.system

SMALL = ("--set", "model.width=16", "--set", "data.t2=4", "--epochs", "1", "--num-seeds", "3")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Type tass-cli where data/demo and data/other are; return what it prints as JSON."""
    folder = tmp_path_factory.mktemp("examples")
    make_world("tiny", folder / "data" / "demo", seed=0)
    make_world("tiny", folder / "data" / "other", seed=5)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name in ("MLFLOW_TRACKING_URI", "TASS_TRACKING_URI", "TASS_DATA", "TASS_STORAGE"):
        environment.pop(name, None)

    def typed(*words):
        done = subprocess.run(
            [sys.executable, "-m", "cli", *map(str, words)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    return typed


def test_two_interactions_are_tested_on_every_combination(run):
    found = run("sweep", ROOT / "examples" / "interactions.toml", *SMALL, "--format", "json")

    (ended,) = found["sweeps"]
    assert ended["trials"]["trained"] == 8 * 3
    assert ended["trials"]["failed"] == 0
    claims = {claim["key"]: claim["contrasts"][0] for claim in ended["claims"]}
    assert set(claims) >= {"match-and-target", "match-and-time"}
    for name in ("match-and-target", "match-and-time"):
        assert claims[name]["difference"]["seeds"] == 3
        assert sum(term["weight"] for term in claims[name]["terms"]) == pytest.approx(0)
    rows = {table["key"]: len(table["rows"]) for table in found["tables"]}
    assert (rows["less"], rows["parts"]) == (4, 8)


def test_small_networks_are_searched_for_within_their_bound(run):
    sweep = ROOT / "examples" / "small-networks.toml"
    # Alone in their packs, these six are the same on every machine; two of them are too large.
    few = ("--trials", "6", "--pack-size", "1", "--confirm", "1")

    found = run("sweep", sweep, "--set", "data.t2=4", "--epochs", "1", *few, "--format", "json")

    (ended,) = found["sweeps"]
    assert ended["trials"]["failed"] == 0
    assert "default config" in ended["verdict"]
    front = run("best", "small-networks", "--pareto", "--format", "json")
    kept = [it["values"] for it in front["points"] if it["keeps_constraints"]]
    best = [it["values"] for it in front["points"] if it["on_front"]]
    assert front["seeds"] == [0]
    assert all(it["params_m"] <= 2 for it in kept)
    assert len(kept) < len(front["points"]), "no proposal broke the constraint"
    for one in best:
        assert not [
            other
            for other in kept
            if other["val/all"] >= one["val/all"]
            and other["params_m"] <= one["params_m"]
            and other != one
        ]


def test_two_systems_stand_side_by_side_on_two_datasets(run):
    sweep = ROOT / "examples" / "two-systems.toml"

    found = run("sweep", sweep, *SMALL, "--format", "json")

    fingerprints = {table["fingerprint"] for table in found["tables"] if table["key"] == "both"}
    assert len(found["sweeps"]) == len(fingerprints) == 2
    for ended in found["sweeps"]:
        assert ended["trials"]["trained"] == 2 * 3
        assert "ahead" in {claim["key"] for claim in ended["claims"]}
    by_name = run("tables", "two-systems", "--tables", "both", "--format", "json")
    assert {table["fingerprint"] for table in by_name["tables"]} == fingerprints
