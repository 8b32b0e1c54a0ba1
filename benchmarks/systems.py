"""What every system costs: parameters, arithmetic and the pace of a step, in one run.

All of them have ResNet-18's 7 x 7 x 512 maps, ten segments and tokens, a question for each video.
``published`` are the parameters that a system's authors or public code name, on their own inputs.

Run ``python -m benchmarks.systems``, on a quiet machine.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import GLOVE, begin, options
from benchmarks.tables import print_table
from jobs.machine.speed import CONFERENCE, Data, step_flop, step_seconds
from tass_core.batches.example import example_batch
from tass_core.config import TrialConfig
from tass_core.systems import BUILT_IN, build_network, parameter_counts

SHAPES = replace(CONFERENCE, regions=49)
PUBLISHED = {
    "tass": ("10.9", "the paper's 10.9 M count the CLIP variant"),
    "avst": ("10.6", "layers that the public code never uses"),
    "convlstm": ("10.2", "64 mel bins instead of VGGish"),
    "mcan": ("57.8", "20,572 words and 3,129 answers"),
    "hme": ("48.3", "VGG and C3D features of 4,096; an unused encoder"),
    "tjstg": ("11.8", "layers that the public code never uses"),
    "pstp": ("4.3", "every attention left out of the count"),
    "pstp-released": ("16.4", "13.9 M of them reach no answer"),
    "lavish": ("21.1", "adapters in all blocks of Swin-V2, its norms, unused layers"),
    "qa-tiger": ("15.0", "CLIP's widths and no LSTM"),
    "tspm": ("12.3", "CLIP's widths and no LSTM"),
    "pano-avqa": ("276", "9, 5, 5 and 5 layers of 768 in place of 2, 1, 1 and 2 of 512"),
}
"""Name -> millions of parameters as published, and why ours are others."""


def forward_flop(config: TrialConfig) -> float:
    """FLOP of answering one question of a batch, in which some products are made once for all."""
    size = config.optimiser.batch_size
    batch = example_batch(config.needs(), SHAPES, range(size), device="meta")
    batch = batch.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)
    with torch.device("meta"):
        network = build_network(config, SHAPES)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(batch.to("meta"))
    return float(counter.get_total_flops()) / size


def main() -> None:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--batch-size", type=int, default=64)
    given = begin(parser)
    rows, tass = [], None
    for name in sorted(BUILT_IN, key=lambda name: (name != "tass", name)):
        config = GLOVE.with_values({"system": name, "optimiser.batch_size": given.batch_size})
        with torch.device("meta"):
            parameters = parameter_counts(build_network(config, SHAPES))["total"]
        seconds = step_seconds(Data.random(config, SHAPES), "cpu")
        tass = tass or seconds
        published, why = PUBLISHED.get(name, ("", ""))
        rows.append(
            [
                f"`{name}`",
                f"{parameters / 1e6:.2f}",
                published,
                why,
                f"{forward_flop(config) / 1e9:.2f}",
                f"{step_flop(config, SHAPES) / 1e9 / given.batch_size:.2f}",
                f"{given.batch_size / seconds:.0f}",
                f"{seconds / tass:.1f}x",
            ]
        )
    print_table(
        [
            *("system", "M parameters", "published", "why others", "GFLOP an answer"),
            *("GFLOP a question trained", "questions/s", "a step against TASS"),
        ],
        rows,
    )


if __name__ == "__main__":
    main()
