"""`tass-cli plan`: what would run, each trial once, without running it."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from cli.plan import budget, budget_words
from jobs.packs import Pack
from jobs.planning.estimate import Estimate
from jobs.planning.preview import Preview
from search_spaces.document import Sweep
from search_spaces.plan import Plan
from tass_core.config import TrialConfig
from tass_core.trial import Trial
from tests import ROOT


def plan(shell, name="ablations", *more):
    out, _ = shell("plan", name, "--data", "world", "--set", "data.t2=4", *more, "--format", "json")
    return json.loads(out)


@pytest.fixture(scope="module")
def ablations(shell):
    return plan(shell, "ablations", "--tracking-uri", "sqlite:///absent.db")


def test_each_unique_trial_is_listed_once_with_the_rows_that_use_it(ablations):
    keys = [trial["key"] for trial in ablations["trials"]]
    assert len(set(keys)) == len(keys) == 3 * len(ablations["variants"])

    full = [trial for trial in ablations["trials"] if trial["variant"] == "TASS"]
    assert len(full) == 3
    for trial in full:
        tables = {row.split(":")[0] for row in trial["rows"]}
        assert tables == {f"table{number}" for number in range(1, 8)}


def test_counts_agree_with_the_lists(ablations):
    counts = ablations["counts"]

    assert counts["variants"] == len(ablations["variants"])
    assert counts["trials"] == len(ablations["trials"])
    assert counts["shared"] == sum(len(trial["rows"]) > 1 for trial in ablations["trials"])
    assert counts["held"] == 0
    assert counts["missing"] == counts["trials"]
    assert counts["packs"] == len(ablations["packs"])


def test_packs_hold_every_missing_trial_once(ablations):
    packed = [key for pack in ablations["packs"] for key in pack["trials"]]

    assert sorted(packed) == sorted(trial["key"] for trial in ablations["trials"])


def test_a_plan_that_was_made_before_is_made_again_without_torch_and_is_the_same(ablations, shell):
    words = ("plan", "ablations", "--data", "world", "--set", "data.t2=4", "--format", "json")
    argv = ["tass-cli", *words, "--tracking-uri", "sqlite:///absent.db"]
    program = (
        f"import atexit, sys\nsys.argv = {argv}\n"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
        "from cli.main import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=shell.folder,
        env={"PYTHONPATH": str(ROOT), "TASS_CACHE": str(shell.folder / "cache")},
        capture_output=True,
        text=True,
    )
    again = json.loads(done.stdout)
    assert again["alike"] == ablations["alike"] != []
    assert again == ablations
    assert done.stderr == f"{not version('torch').endswith('+cpu')}\n"


def test_without_a_past_the_time_is_unknown_and_nothing_is_made(ablations, shell):
    assert ablations["seconds"] is None
    assert ablations["checkpoint_bytes"] is None
    assert not (shell.folder / "absent.db").exists()


def test_past_trials_tell_the_time_and_are_held(swept):
    found = plan(swept, "ablations", "--set", "model.width=16", "--epochs", "2")

    assert found["counts"]["held"] == 10
    held = {trial["variant"] for trial in found["trials"] if trial["held"]}
    assert {"TASS", "τ = 0.005"} <= held
    time = found["seconds"]
    assert 0 <= time["low"] <= time["expected"] <= time["high"]
    assert time["expected"] > 0
    assert time["past_trials"] == 10
    assert 0 < time["startup"] <= time["low"]
    assert found["checkpoint_bytes"] > 0


def test_row_that_cannot_run_says_why(shell):
    out, _ = shell("plan", "t2", "--data", "world")

    assert "T2 = 5" not in out
    assert "T2 = 12" in out


def test_pack_size_is_obeyed(shell):
    found = plan(
        shell,
        "tau",
        "--pack-size",
        "3",
        "--seeds",
        "0,1",
        "--tracking-uri",
        "sqlite:///absent.db",
    )

    assert sorted(len(pack["trials"]) for pack in found["packs"]) == [2, 2, 3, 3]


def test_search_shows_its_budget(shell):
    out, _ = shell("plan", "joint", "--data", "world", "--trials", "40", "--eta", "2")

    assert "up to 40 trials; maximize val/all; sampler tpe, halving eta 2 from epoch 2" in out
    assert "the best 5 on seeds [1, 2, 3]" in out


def test_a_budget_of_nothing_is_refused(shell):
    _, err = shell("plan", "joint", "--data", "world", "--trials", "0", code=2)

    assert "--trials 0 is out of range; allowed: 1 or more" in err


def test_a_budget_says_what_it_buys():
    packs = (Pack({"k": Trial(TrialConfig(), 0)}),)
    time = Estimate(7300.0, 7000.0, 8000.0, 4, True, startup=100.0)
    plan = Plan(Sweep("tau", ""), {}, "f", TrialConfig(), (0,))
    plan.trials = {str(seed): Trial(TrialConfig(), seed) for seed in range(10)}
    found = Preview(plan, frozenset({"0", "1"}), packs, 1, time, None, None)

    assert budget(found, None) is None
    assert budget(found, 1.5) == {"hours": 1.5, "trials": 5}
    assert budget_words(found, 100.0) == "100 h buy all that is missing"
    assert budget_words(found, 0.01) == "0.01 h buy about 0 of the 8 missing trials"
    untold = replace(found, time=None)
    assert "unknown" in budget_words(untold, 1.0)


def test_equal_functions_are_named_before_they_are_trained(ablations, shell):
    [found] = ablations["one_function"]
    assert (found["table"], found["fields"]) == ("table6", ["model.ordering"])
    assert ablations["alike"] == [["τ = 0.000", "τ = 0.005"]]

    out, _ = shell("plan", "ablations", "--data", "world", "--tables", "5,6")
    assert out.count("one function with Cat(A;V)") == 3
    assert "τ = 0.000, τ = 0.005: one function on random batches" in " ".join(out.split())
