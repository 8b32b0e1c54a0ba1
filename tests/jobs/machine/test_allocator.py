"""Memory that is kept stays with the process, and changes no number."""

import os
import platform
import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps memory")

RESIDENT = """
import resource
import sys
import torch
from jobs.machine.allocator import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = resident()
for _ in range(3):
    torch.ones(2**24)
print(resident() - before)
"""

STEP = """
import sys
from pathlib import Path
import torch
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.training.pack import train_pack
from jobs.machine.allocator import keep_memory
from tass_core.trial import Trial
torch.set_num_threads(1)
folder, data, config, keep = sys.argv[1:]
if keep == "keep":
    assert keep_memory()
trial = Trial(TrialConfig.from_json(Path(config).read_text()), 0)
for event in train_pack([trial], open_dataset(Path(data)), folder=Path(folder)):
    print(sorted((n, v) for n, v in event.metrics.items() if n != "questions_per_s"))
"""


def printed(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_what_is_freed_stays_resident_when_it_is_kept():
    freed = 4 * 2**24
    assert int(printed(RESIDENT, "keep")) > freed / 2
    assert int(printed(RESIDENT, "give")) < freed / 2


def test_kept_memory_changes_no_bit(base, tiny, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(base.with_values({"optimiser.epochs": 1, "model.width": 16}).to_json())
    found = [printed(STEP, tmp_path / how, tiny.folder, config, how) for how in ("keep", "give")]
    assert found[0] == found[1] != ""
