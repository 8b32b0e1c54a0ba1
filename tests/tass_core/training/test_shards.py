"""Two workers that share every batch compute what one worker computes.

They compute in float64: in float32 a sum in another order may turn an answer at a tie.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tass_core.checkpoints import load_tensors
from tass_core.evaluation.predictions import read_predictions
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult
from tass_core.trial import Trial
from tests import ROOT

WORKER = """
import os
import sys
from pathlib import Path
import torch
import torch.distributed
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.systems.protocol import Batch
from tass_core.training.pruning import Halving
from tass_core.training.pack import train_pack
from tass_core.trial import Trial
from tass_core.workers import Shard
rank, workers, store, folder, data, halve, *configs = *map(int, sys.argv[1:3]), *sys.argv[3:]
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
def exact(module, inputs):
    double = lambda tensor: tensor.double() if tensor.is_floating_point() else tensor
    return tuple(value.map(double) if isinstance(value, Batch) else value for value in inputs)
torch.nn.modules.module.register_module_forward_pre_hook(exact)
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=workers
)
trials = [Trial(TrialConfig.from_json(Path(config).read_text()), 0) for config in configs]
halving = Halving(2, 1) if halve == "halve" else None
dataset = open_dataset(Path(data))
list(train_pack(trials, dataset, folder=Path(folder), shard=Shard(rank, workers), pruner=halving))
torch.distributed.barrier()  # neither takes down what the other still waits for
os._exit(0)  # gloo's threads, taken down one by one, may abort a process that has done its work
"""

MIXED = [{}, {"loss.match": False, "loss.cms": "none"}]
PACKS = {
    "negatives of the split": [{"loss.negatives": "dataset"}],
    "weight decay, no gradient for the query": [
        {"optimiser.weight_decay": 0.01, "model.target": "word_argmax"}
    ],
    "weight decay while the match task trains alone": [
        {"optimiser.weight_decay": 0.01, "model.init_from": "match", "model.pretrain_epochs": 1}
    ],
    "glove": [{"model.encoder": "resnet18-glove"}],
    "two members": MIXED,
}


def train_on(workers, configs, dataset, folder, halve="no"):
    """Return the events of one pack, trained in float64 by processes of their own."""
    folder.mkdir()
    paths = []
    for index, config in enumerate(configs):
        paths.append(folder / f"{index}.json")
        paths[-1].write_text(config.to_json())
    arguments = [workers, folder / "store", folder / "pack", dataset.folder, halve, *paths]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for rank in range(workers)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0] * workers
    trials = [Trial(config, 0) for config in configs]
    return list(train_pack(trials, dataset, folder=folder / "pack", replay=True))


@pytest.mark.system
@pytest.mark.parametrize("name", PACKS)
def test_two_workers_give_the_results_of_one(name, tiny, base, tmp_path):
    small = {"optimiser.epochs": 1, "model.width": 16, "optimiser.batch_size": 64}
    configs = [base.with_values({**small, **change}) for change in PACKS[name]]
    one = train_on(1, configs, tiny, tmp_path / "one")
    two = train_on(2, configs, tiny, tmp_path / "two")
    assert [(e.key, type(e)) for e in one] == [(e.key, type(e)) for e in two]
    for alone, shared in zip(one, two, strict=True):
        assert alone.metrics.keys() == shared.metrics.keys()
        for metric in alone.metrics.keys() - {"questions_per_s"}:
            near = pytest.approx(alone.metrics[metric], rel=1e-9, abs=1e-9)
            assert shared.metrics[metric] == near, metric
        if not isinstance(alone, EpochResult):
            assert_same_network(alone, shared)
            found = [read_predictions(event.predictions) for event in (alone, shared)]
            np.testing.assert_array_equal(found[0].question_id, found[1].question_id)
            np.testing.assert_array_equal(found[0].predicted, found[1].predicted)


def assert_same_network(alone, shared):
    one, two = (load_tensors(event.weights / "model.safetensors") for event in (alone, shared))
    assert one.keys() == two.keys()
    for name, value in one.items():
        if not name.endswith("key.bias"):  # its true gradient is 0, Adam follows the rounding
            torch.testing.assert_close(two[name], value, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.system
def test_the_first_worker_prunes_for_all(tiny, base, tmp_path):
    configs = [base.with_values({"optimiser.epochs": 2, "model.width": 16, **c}) for c in MIXED]
    events = train_on(2, configs, tiny, tmp_path / "two", halve="halve")
    ends = [event.status for event in events if not isinstance(event, EpochResult)]
    assert sorted(ends) == ["finished", "pruned"]
