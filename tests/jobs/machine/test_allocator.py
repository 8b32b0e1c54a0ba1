"""Memory that is kept changes no number."""

import os
import subprocess
import sys

from tests import ROOT

CHILD = """
import sys
from pathlib import Path
import torch
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.training import train_pack
from jobs.machine.allocator import keep_memory
from tass_core.trial import Trial
torch.set_num_threads(1)
folder, data, config, keep = sys.argv[1:]
if keep == "yes":
    print(keep_memory() in (True, False))
trial = Trial(TrialConfig.from_json(Path(config).read_text()), 0)
for event in train_pack([trial], open_dataset(Path(data)), folder=Path(folder)):
    print(sorted((n, v) for n, v in event.metrics.items() if n != "questions_per_s"))
"""


def test_kept_memory_changes_no_bit(base, tiny, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(base.replace("optimiser.epochs", 1).to_json())
    printed = {}
    for keep in ("yes", "no"):
        command = [sys.executable, "-c", CHILD, str(tmp_path / keep), str(tiny.folder)]
        printed[keep] = subprocess.run(
            [*command, str(config), keep],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
    assert printed["yes"] == ["True", *printed["no"]]
