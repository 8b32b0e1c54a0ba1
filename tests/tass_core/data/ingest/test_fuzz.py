"""A short run of the fuzz benchmark: no traceback, no partial output."""

import os
import subprocess
import sys

from tests import ROOT

REPOSITORY = ROOT


def test_mutated_inputs_are_read_or_refused():
    done = subprocess.run(
        [sys.executable, "benchmarks/fuzz.py", "--examples", "300"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) >= 250
