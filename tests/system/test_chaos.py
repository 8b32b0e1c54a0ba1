"""Everything that a sweep depends on is killed, and nothing is lost, there twice, or hangs."""

import os
import subprocess
import sys

import pytest

from benchmarks.services import (
    MissingServiceError,
    postgres_binaries,
    unprivileged,
    weed_binary,
)
from tests import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_ten_kills_leave_what_none_would_have_left():
    try:
        postgres_binaries(), unprivileged(), weed_binary()
    except MissingServiceError as reason:
        pytest.skip(str(reason))
    chaos = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.chaos", "--kills", "10", "--seed", "0"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said, wrong = chaos.communicate(timeout=800)
    finally:
        chaos.terminate()
        chaos.wait()

    assert chaos.returncode == 0, said + wrong
    assert "nothing is lost, nothing is there twice, nothing hangs" in said
