"""What a trial costs the driver does not grow with the trials before it."""

import os
import re
import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.system


@pytest.mark.parametrize("more", [(), ("--search",)], ids=["grid", "search"])
def test_a_trial_takes_no_more_calls_in_a_large_store_than_in_a_small_one(more):
    sizes = ("--trials", "32", "128", "--sweeps", "2")

    printed = benchmark("growth_simulation", *sizes, *more)

    small, large = row(printed, "MLflow calls a trial")
    # Heartbeats go by the clock, and are few.
    assert large <= 1.05 * small
    assert row(printed, "trained")[1] > row(printed, "trained")[0] > 8


def test_the_stores_of_the_benchmark_are_written_and_read():
    printed = benchmark("growth", "--trials", "8", "--sweeps", "2")

    assert "| tables, one sweep |" in printed


def benchmark(name, *words):
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(printed, name):
    [line] = [line for line in printed.splitlines() if line.startswith(f"| {name}")]
    return [float(cell) for cell in re.findall(r"\| ([\d.]+)", line)]
