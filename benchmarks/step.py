"""The training step against the machine's matmul peak, and a demo epoch.

Run ``python -m benchmarks.step [--device cuda] [--threads N]``. Everything is measured in one
run on random features in memory: the peak of a plain product first, then each step.
"""

from __future__ import annotations

import time

import torch

from benchmarks.harness import PAPERS, begin, dataset_at, options
from jobs.machine.speed import CONFERENCE, Data, product_rates, step_seconds
from tass_core.config import TrialConfig
from tass_core.devices import synchronise
from tass_core.training.groups import Solo, take_step

PUBLIC_CODE_GFLOP = 43.7
"""Arithmetic of the public conference code's step at the same shapes (torch's counter)."""


def measure_epoch(device: str) -> tuple[float, float]:
    """Questions per second of a demo epoch, and the share of its time spent on loading."""
    with dataset_at(None) as dataset:
        data = Data.of(dataset, TrialConfig().with_values(dataset.base))
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
    return len(data.questions) / seconds, waiting / seconds


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--device", default="cpu")
    device = begin(parser).device
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        matmul, linear = product_rates(device, dtype)
        peak = max(matmul, linear)
        print(
            f"peak of a product, {precision}: {matmul / 1e9:.0f} GFLOP/s by torch.matmul, "
            f"{linear / 1e9:.0f} by our linear layer"
        )
        for name, (config, shapes) in PAPERS.items():
            data = Data.random(config.replace("optimiser.precision", precision), shapes)
            seconds, flop = step_seconds(data, device), data.flop()
            rate = flop / seconds
            print(
                f"{name}: {seconds:.3f} s a step, {flop / 1e9:.1f} useful GFLOP, "
                f"{rate / 1e9:.0f} GFLOP/s, {100 * rate / peak:.0f}% of the peak"
            )
            if shapes == CONFERENCE:
                public = PUBLIC_CODE_GFLOP * 1e9 / seconds / peak
                print(f"  against the public code's {PUBLIC_CODE_GFLOP} GFLOP: {100 * public:.0f}%")
    speed, loading = measure_epoch(device)
    print(f"demo epoch: {speed:.0f} questions/s, loader {100 * loading:.1f}% of the time")


if __name__ == "__main__":
    main()
