"""Two workers that share every batch compute what one worker computes."""

import os
import subprocess
import sys

import pytest

from tass_core.training import EpochResult, train_pack
from tass_core.trial import Trial
from tests import ROOT

WORKER = """
import sys
from pathlib import Path
import torch
import torch.distributed
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.training import Shard, train_pack
from tass_core.trial import Trial
rank, store, folder, data, config = int(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
trial = Trial(TrialConfig.from_json(Path(config).read_text()), 0)
list(train_pack([trial], open_dataset(Path(data)), folder=Path(folder), shard=Shard(rank, 2)))
torch.distributed.destroy_process_group()
"""


@pytest.mark.parametrize("negatives", ["batch", "dataset"])
def test_two_workers_give_the_results_of_one(negatives, tiny, base, tmp_path):
    config = base.with_values({"loss.negatives": negatives, "optimiser.epochs": 2})
    one = list(train_pack([Trial(config, 0)], tiny, folder=tmp_path / "one"))
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    root = str(ROOT)
    arguments = [str(tmp_path / "store"), str(tmp_path / "two"), str(tiny.folder), str(path)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), *arguments],
            env={**os.environ, "PYTHONPATH": root},
        )
        for rank in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    two = list(train_pack([Trial(config, 0)], tiny, folder=tmp_path / "two", replay=True))
    assert len(one) == len(two) == 3
    for alone, shared in zip(one, two, strict=True):
        assert type(alone) is type(shared)
        if isinstance(alone, EpochResult):
            for name in ("loss", "loss_qa", "loss_s", "loss_cms"):
                ours = shared.metrics[f"train/{name}"]
                assert ours == pytest.approx(alone.metrics[f"train/{name}"], rel=1e-3, abs=1e-6)
