"""Members one after another, in several processes, and fused: trials an hour by width.

Steps are timed on batches in memory, at the shapes of a dataset (the demo world unless
``--data`` names another) and at the paper's. Processes share the cores; a fused stack and a
lone member have them all.

Run ``python -m benchmarks.fused [--data DIR] [--device cuda] [--threads N]``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.harness import PAPERS, begin, dataset_at, options
from benchmarks.tables import print_table
from jobs.machine.layouts import load_data, measure_layout
from tass_core.config import TrialConfig
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
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, help="dataset; default: a demo world made for it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--widths", default="1,2,4,8", help="at the dataset's shapes")
    parser.add_argument("--paper-widths", default="1,2", help="at the paper's shapes")
    given = begin(parser)
    widths, wide = (
        [int(part) for part in text.split(",")] for text in (given.widths, given.paper_widths)
    )
    with dataset_at(given.data) as dataset:
        own, asked = TrialConfig().with_values(dataset.base), len(dataset.questions("train"))
        compare(dataset.name, own, dataset.folder, asked, widths, given.device)
    for name, (config, shapes) in PAPERS.items():
        compare(name, config, shapes, 31_927, wide, given.device)


if __name__ == "__main__":
    main()
