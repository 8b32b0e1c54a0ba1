"""What ``torch.compile`` of a member's network would gain on this machine, and when it would pay.

Compiling needs a C++ compiler and begins with an empty cache. A step's forward pass is compiled
for shapes that may change from batch to batch, as training's do; the steps timed are on one batch.

Run ``python -m benchmarks.compiling [--device cuda] [--threads N]``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.tables import print_machine, print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, PAPER, Data, best_seconds
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.devices import synchronise
from tass_core.training.groups import Solo, take_step


def measure(name: str, data: Data, device: str) -> tuple[str, ...]:
    """Return a row: seconds of a step, plain and compiled, and what compiling costs."""
    (member,), batch = data.members(1, device), data.batch(device)
    group = Solo(member)
    plain = best_seconds(lambda: take_step(group, batch), device, 5)
    member.model.compile(dynamic=True)
    start = time.perf_counter()
    take_step(group, batch)
    synchronise(device)
    cost = time.perf_counter() - start
    compiled = best_seconds(lambda: take_step(group, batch), device, 5)
    paid = f"{cost / (plain - compiled):,.0f}" if compiled < plain else "never"
    return name, f"{plain:.3f}", f"{compiled:.3f}", f"{plain / compiled:.2f}x", f"{cost:.0f}", paid


def main() -> None:
    """Print one row for the demo world and for each of the paper's shapes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_memory()
    print_machine(options.device)
    base = TrialConfig()
    glove = base.replace("model.encoder", "resnet18-glove")
    with tempfile.TemporaryDirectory(prefix="tass-compiling-") as name:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(name) / "compiled")
        make_world("demo", Path(name) / "demo", seed=0)
        dataset = open_dataset(Path(name) / "demo")
        rows = [
            measure(title, data, options.device)
            for title, data in (
                ("demo", Data.of(dataset, base.with_values(dataset.base))),
                ("paper, CLIP 7x7x2048", Data.random(base, PAPER)),
                ("paper, ResNet-18 14x14x512", Data.random(glove, CONFERENCE)),
            )
        ]
    columns = ("plain, s a step", "compiled", "times as fast", "compiling, s", "paid after steps")
    print_table(("shapes", *columns), rows)


if __name__ == "__main__":
    main()
