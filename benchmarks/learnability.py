"""What each part of the model is worth on a dataset, against knowing the question alone.

Run ``python -m benchmarks.learnability --data DIR [--seeds 0,1,2] [--set key=value ...]``.
Trains the full model, the model without each of its parts, and a model to which the whole
dataset is silent and blank; all see the same batches of the same seed, so differences are
taken seed by seed, with intervals for new seeds. Prints a Markdown table of test accuracy at the
best validation epoch.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import side_by_side, training_options
from benchmarks.paired import described
from benchmarks.tables import print_machine, print_table
from evidence.estimates import estimate
from evidence.moderation import pool
from evidence.variance import split_metric
from reports.render.words import bounds, p_value, signed
from tass_core.config import TrialConfig, parse_overrides
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.folder.records import Features
from tass_core.training.pack import train_pack
from tass_core.training.results import TrialResult
from tass_core.trial import Trial

NO_TSG = {"model.spatial_grounding": False}
NO_JTG = {"model.temporal_grounding": False}
BLANK = "question only"
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "w/o T-A": {"model.target_aware": False},
    "w/o L_s": {"loss.match": False},
    "w/o L_cms": {"loss.cms": "none"},
    "w/o TSG+": NO_TSG,
    "w/o JTG": NO_JTG,
    "w/o TSG+ and w/o JTG": NO_TSG | NO_JTG,
    BLANK: NO_TSG | NO_JTG,
}


class BlankDataset(Dataset):
    """A dataset of which nothing can be seen or heard."""

    def features(self, config: TrialConfig) -> Features:
        """Return the features with sound and pictures of zeros."""
        full = super().features(config)
        return dataclasses.replace(
            full,
            visual=np.zeros(full.visual.shape, full.visual.dtype),
            audio=np.zeros(full.audio.shape, full.audio.dtype),
        )


def train(folder: str, overrides: dict[str, Any], name: str, seed: int) -> dict[str, float]:
    """Return the metrics of one trial."""
    torch.set_num_threads(1)
    dataset = BlankDataset(Path(folder)) if name == BLANK else open_dataset(folder)
    config = TrialConfig().with_values({**dataset.base, **overrides, **VARIANTS[name]})
    with tempfile.TemporaryDirectory() as place:
        *_, result = train_pack([Trial(config, seed)], dataset, folder=Path(place))
    assert isinstance(result, TrialResult)
    return dict(result.metrics)


def priors(dataset: Dataset) -> dict[str, float]:
    """Return the accuracy of the training questions' commonest answer, by type and sentence."""
    train, test = dataset.questions("train"), dataset.questions("test")
    found = {}
    for name in ("type", "sentence"):
        answers: dict[int, Counter[int]] = defaultdict(Counter)
        for key, answer in zip(getattr(train, name), train.answer, strict=True):
            answers[int(key)][int(answer)] += 1
        right = [
            bool(answers[int(key)]) and answers[int(key)].most_common(1)[0][0] == answer
            for key, answer in zip(getattr(test, name), test.answer, strict=True)
        ]
        found[name] = 100 * float(np.mean(right))
    return found


def compared(tests: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each model: its accuracy, and the first model's less its own, seed by seed.

    Args:
        tests: model -> test accuracy with each seed, the same seeds for all.
    """
    full = next(iter(tests.values()))
    gaps = {
        name: split_metric([one - other for one, other in zip(full, found, strict=True)])
        for name, found in tests.items()
        if found is not full
    }
    scale = pool(gaps.values())
    for name, found in tests.items():
        said = described(found)
        if name not in gaps:
            yield name, said, "", "", ""
            continue
        gap = estimate(gaps[name], scale)
        yield name, said, signed(gap.mean), bounds(gap.interval), p_value(gap.p)


def main() -> None:
    """Train and print."""
    print_machine()
    parser = training_options(__doc__, data="data/demo")
    parser.add_argument("--only", help="names of variants, with commas")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    names = options.only.split(",") if options.only else list(VARIANTS)
    overrides = parse_overrides(options.set)
    dataset = open_dataset(options.data)
    dataset.features(TrialConfig().with_values({**dataset.base, **overrides}))
    results = side_by_side(partial(train, options.data, overrides), names, seeds, options)
    print(f"{dataset.name} {dataset.fingerprint}, seeds {options.seeds}, {overrides}\n")
    tests = {name: [results[name, seed]["test/all"] for seed in seeds] for name in names}
    lines = [
        *compared(tests),
        *(
            (f"commonest answer of the {name}", f"{accuracy:.2f}", "", "", "")
            for name, accuracy in priors(dataset).items()
        ),
    ]
    print_table(("Model", "Test accuracy", f"{names[0]} - it", "95% interval", "p"), lines)


if __name__ == "__main__":
    main()
