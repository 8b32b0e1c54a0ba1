"""Members one after another, in several processes, and fused: trials an hour by width.

Steps are timed on batches in memory, at the shapes of a dataset (the demo world unless
``--data`` names another) and at the paper's. Processes share the cores; a fused stack and a
lone member have them all.

Run ``python -m benchmarks.fused [--data DIR] [--device cuda] [--threads N]``.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.tables import print_machine, print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.layouts import load_data, measure_layout
from jobs.machine.speed import CONFERENCE, PAPER
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.systems.protocol import Shapes


def compare(
    name: str,
    config: TrialConfig,
    shapes: Shapes | Path,
    questions: int,
    widths: Sequence[int],
    device: str,
) -> None:
    """Print trials an hour of every way, and how each compares with one after another."""
    data = load_data(config, shapes)
    rates = data.rates(widths, device)
    ways = {f"fused, {width}": rate for width, rate in rates.items() if width > 1}
    cores = os.cpu_count() or 1
    for processes in sorted({2, cores} - {1}):
        if device != "cpu" or processes <= cores:
            threads = max(1, torch.get_num_threads() // processes)
            layout = measure_layout(config, shapes, device, threads, processes)
            ways[f"{processes} processes"] = layout.rate
    steps = config.optimiser.epochs * math.ceil(questions / config.optimiser.batch_size)
    rows = [
        (way, f"{rate:.2f}", f"{3600 * rate / steps:.3g}", f"{rate / rates[1]:.2f}x")
        for way, rate in {"one after another": rates[1], **ways}.items()
    ]
    print_table((name, "member steps/s", "trials an hour", "against one after another"), rows)


def main() -> None:
    """Measure at the dataset's shapes and at the paper's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="dataset; default: a demo world made for it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--widths", default="1,2,4,8", help="at the dataset's shapes")
    parser.add_argument("--paper-widths", default="1,2", help="at the paper's shapes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_memory()
    print_machine(options.device)
    widths, wide = (
        [int(part) for part in text.split(",")] for text in (options.widths, options.paper_widths)
    )
    with tempfile.TemporaryDirectory(prefix="tass-fused-") as name:
        folder = options.data or Path(name) / "demo"
        if options.data is None:
            make_world("demo", folder, seed=0)
        dataset = open_dataset(folder)
        own, paper = TrialConfig().with_values(dataset.base), TrialConfig()
        asked = len(dataset.questions("train"))
        compare(dataset.name, own, folder, asked, widths, options.device)
    for name, config, shapes in (
        ("paper, CLIP 7x7x2048", paper, PAPER),
        (
            "paper, ResNet-18 14x14x512",
            paper.replace("model.encoder", "resnet18-glove"),
            CONFERENCE,
        ),
    ):
        compare(name, config, shapes, 31_927, wide, options.device)


if __name__ == "__main__":
    main()
