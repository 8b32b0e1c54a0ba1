"""The same numbers on CUDA, without waits; skipped where there is no such device."""

import math

import numpy as np
import pytest
import torch

from tass_core.batches.readers import RowReader
from tass_core.batches.source import BatchSource
from tass_core.cuda.graphs import Graphs, _shape, graphed
from tass_core.cuda.transfer import RESIDENT, PinnedRows, ResidentRows
from tass_core.devices import prepare
from tass_core.randomness import noise_key
from tass_core.systems.protocol import Noise
from tass_core.training.groups import Solo, Stack, take_step
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, TrialResult
from tass_core.trial import Trial
from tests.tass_core.training.test_groups import make_members
from tests.tass_core.training.test_variants import VARIANTS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

EPOCHS = 3


def source(dataset, config):
    questions, features = dataset.questions("train"), dataset.features(config)
    return BatchSource(questions, features, config, device="cuda")


def members(configs, dataset, device):
    prepare("cuda")
    found = make_members(configs, dataset)
    for member in found:
        member.model.to(device)
        member.device = device
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_trains_as_on_the_cpu(name, tiny, base, tmp_path):
    config = base.with_values({"optimiser.epochs": 1, **VARIANTS[name]})
    found = {
        device: list(train_pack([Trial(config, 0)], tiny, folder=tmp_path / device, device=device))
        for device in ("cpu", "cuda")
    }
    assert [type(event) for event in found["cuda"]] == [EpochResult, TrialResult]
    near = 0.05 if name == "bf16" else 1e-3
    for loss in ("train/loss", "train/loss_qa", "train/loss_s", "train/loss_cms", "val/loss"):
        cpu, cuda = (found[device][0].metrics[loss] for device in ("cpu", "cuda"))
        assert math.isclose(cpu, cuda, rel_tol=near, abs_tol=near), loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_frames_are_the_same_from_every_place(dtype, tiny, base):
    features = tiny.features(base).visual
    held = RESIDENT.find(features, "cuda")
    assert held is not None
    assert RESIDENT.find(features, "cuda") is held
    readers = [ResidentRows(held, dtype), PinnedRows(features, dtype, "cuda")]
    for rows in (np.array([3, 1, 1]), np.arange(8), np.array([0])):
        wanted = RowReader(features, dtype).read(rows)
        for reader in readers:
            torch.testing.assert_close(reader.read(rows).cpu(), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["full", "w/o TSG+", "w/o JTG", "dual", "clip soft", "bf16"])
def test_steps_are_replayed_and_never_wait(name, tiny, base):
    config = base.with_values(VARIANTS[name])
    configs = [config, config.replace("optimiser.learning_rate", 1e-4)]
    stack, alone = Stack(members(configs, tiny, "cuda")), Solo(members([config], tiny, "cuda")[0])
    for group in (alone, stack):
        others = members([member.config for member in group.members], tiny, "cuda")
        plain = [Solo(member) for member in others]
        for member in [*others, *group.members]:
            member.start_epoch(1)
        for epoch in range(1, EPOCHS + 1):
            for step, batch in enumerate(source(tiny, config).training(0, epoch)):
                take_step(group, batch, epoch, step)
                for solo in plain:
                    take_step(solo, batch, epoch, step)
        assert isinstance(group._backward, Graphs)
        assert any(graph.verified for graph in group._backward._graphs.values()), (
            "no graph was verified"
        )
        for one, other in zip(group.members, others, strict=True):
            near = 0.05 if name == "bf16" else 1e-3
            found, wanted = torch.stack(one._sums), torch.stack(other._sums)
            torch.testing.assert_close(found, wanted, rtol=near, atol=near)
        for replayed in (True, False):
            batches = source(tiny, config).training(0, 1)
            batch = next(batch for batch in batches if not replayed or verified(group, batch))
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode("error")
            try:
                for step in range(3):
                    take_step(group if replayed else plain[0], batch, 1, step)
            finally:
                torch.cuda.set_sync_debug_mode("default")


def verified(group, batch):
    graph = group._backward._graphs.get(_shape(batch, "train"))
    return graph is not None and graph.verified


def test_what_cannot_be_captured_leaves_the_stream_alone(tiny, base):
    member = members([base], tiny, "cuda")[0]
    before = torch.cuda.current_stream()

    solo = Solo(member)

    def waits(batch, noise, stage):
        return solo.gradients(batch, noise, stage) * float(noise.key)

    steps = graphed(waits, member.model.parameters(), "cuda:0")
    for epoch in range(1, EPOCHS + 1):
        for batch in source(tiny, base).training(0, epoch):
            steps(batch, Noise(noise_key(0, epoch, 0, "cuda"), batch.rows), "train")
    assert not steps._graphs
    assert torch.cuda.current_stream() == before


def test_a_fused_pack_trains_as_its_members_alone(tiny, base, tmp_path):
    trials = [Trial(base.replace("model.tau", tau), 0) for tau in (0.0, 0.02, 0.03)]
    found = {
        width: [
            event.metrics["train/loss"]
            for event in train_pack(
                trials, tiny, folder=tmp_path / str(width), device="cuda", fuse=width
            )
            if isinstance(event, EpochResult)
        ]
        for width in (1, 3)
    }
    np.testing.assert_allclose(found[3], found[1], rtol=1e-3)
