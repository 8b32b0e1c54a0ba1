"""Batches of whole videos against batches of questions: time and accuracy over seeds.

With ``data.batching = video`` a batch holds whole videos with all their questions, so that a
frame is projected once for several of them. The questions of a batch are then less different,
which may cost accuracy; both are measured here, with equal seeds.

Run ``python -m benchmarks.video_batches [--data DIR] [--seeds N] [--epochs N]``.
"""

from __future__ import annotations

import statistics

from benchmarks.paired import asked, compare
from jobs.machine.speed import Data
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset


def videos_to_a_batch(dataset: Dataset, config: TrialConfig) -> str:
    """Return the mean number of different videos in the batches of an epoch."""
    batches = Data.of(dataset, config).source().training(0, 1)
    return f"{statistics.mean(len(batch.audio) for batch in batches):.1f}"


def main() -> None:
    """Train with both and print them side by side."""
    with asked(__doc__) as (dataset, base, seeds):
        configs = {
            f"by {batching}": base.replace("data.batching", batching)
            for batching in ("question", "video")
        }
        videos = {name: videos_to_a_batch(dataset, config) for name, config in configs.items()}
        compare(dataset, configs, seeds, {"videos a batch": videos})


if __name__ == "__main__":
    main()
