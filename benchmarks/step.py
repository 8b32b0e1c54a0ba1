"""The training step against the machine's matmul peak, and a demo epoch.

Run ``python benchmarks/step.py [--device cuda] [--json FILE]``. Everything is measured in one
run on random features in memory: the peak of a plain product first, then each step.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from jobs.machine.allocator import keep_memory
from jobs.machine.speed import (
    CONFERENCE,
    PAPER,
    Data,
    memory_bandwidth,
    product_rates,
    step_seconds,
)
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.devices import device_name, synchronise
from tass_core.training.groups import Solo, take_step

RESNET = "resnet18 14x14x512"
PUBLIC_CODE_GFLOP = 43.7
"""Arithmetic of the public conference code's step at the same shapes (torch's counter)."""


def measure_epoch(device: str) -> dict[str, float]:
    """Questions per second of a demo epoch, and the share of its time spent on loading."""
    with tempfile.TemporaryDirectory() as folder:
        make_world("demo", Path(folder) / "demo", seed=0)
        dataset = open_dataset(Path(folder) / "demo")
        config = TrialConfig().with_values(dataset.base)
        data = Data.of(dataset, config)
        source, (member,) = data.source(device), data.members(1, device)
        group = Solo(member)
        for epoch in (1, 2):
            member.start_epoch(epoch)
            synchronise(device)
            start = time.perf_counter()
            waiting, clock = 0.0, start
            for step, batch in enumerate(source.training(0, epoch)):
                waiting += time.perf_counter() - clock
                take_step(group, batch, epoch, step)
                clock = time.perf_counter()
            synchronise(device)
            seconds = time.perf_counter() - start
    return {"questions_per_s": len(data.questions) / seconds, "loader_share": waiting / seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = arguments.device
    keep_memory()
    results: dict[str, object] = {
        "machine": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": device,
        "memory_gb_s": memory_bandwidth(device) / 1e9,
    }
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        matmul, linear = product_rates(device, dtype)
        peak = max(matmul, linear)
        results[f"matmul_gflops {precision}"] = peak / 1e9
        threads = torch.get_num_threads()
        print(
            f"peak of a product, {precision}: {matmul / 1e9:.0f} GFLOP/s by torch.matmul, "
            f"{linear / 1e9:.0f} by our linear layer, {threads} threads"
        )
        base = TrialConfig().replace("optimiser.precision", precision)
        for name, data in (
            ("clip 7x7x2048", Data.random(base, PAPER)),
            (RESNET, Data.random(base.replace("model.encoder", "resnet18-glove"), CONFERENCE)),
        ):
            seconds, flop = step_seconds(data, device), data.flop()
            share = flop / seconds / peak
            found = {"seconds": seconds, "gflop": flop / 1e9, "share_of_peak": share}
            print(
                f"{name}: {seconds:.3f} s a step, {flop / 1e9:.1f} useful GFLOP, "
                f"{flop / seconds / 1e9:.0f} GFLOP/s, {100 * share:.0f}% of the peak"
            )
            if name == RESNET:
                public = PUBLIC_CODE_GFLOP * 1e9 / seconds / peak
                found |= {"share_of_peak_public_arithmetic": public}
                print(f"  against the public code's {PUBLIC_CODE_GFLOP} GFLOP: {100 * public:.0f}%")
            results[f"{name}, {precision}"] = found
    epoch = measure_epoch(device)
    results["demo epoch"] = epoch
    print(
        f"demo epoch: {epoch['questions_per_s']:.0f} questions/s, "
        f"loader {100 * epoch['loader_share']:.1f}% of the time"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
