"""What is learned from rendered videos, and what a linear probe finds in their features.

Run ``python -m benchmarks.media --data DIR [--seeds 0,1,2] [--set key=value ...]`` on a dataset of
rendered videos. Trains the model on the dataset, on the same dataset with sound and pictures
shuffled between videos, and on one of which nothing can be seen or heard (question only), and
prints a Markdown table of test accuracy by type beside the training questions' commonest answer,
the same for each further test; then the grounding, and how well instruments are told from single
seconds and thirds of the stage. The epoch is chosen on the validation questions, and nothing else
is chosen. ``--probes`` trains nothing and prints the last table alone.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import tempfile
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from benchmarks.harness import side_by_side, training_options
from benchmarks.learnability import NO_JTG, NO_TSG, BlankDataset
from tass_core.config import TrialConfig, parse_overrides
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.folder.description import SCENES
from tass_core.data.folder.records import Features, Questions
from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, QUESTION_TYPES
from tass_core.evaluation.accuracy import metric
from tass_core.training.pack import train_pack
from tass_core.training.results import TrialResult
from tass_core.trial import Trial

Array = npt.NDArray[Any]
ROWS = (*QUESTION_TYPES, "all")
RIDGE = 10.0


class ShuffledDataset(Dataset):
    """A dataset whose questions meet the sound and pictures of the next video of their split."""

    def questions(self, split: str) -> Questions:
        """Return the questions of a split, each about another video."""
        asked = super().questions(split)
        videos, place = np.unique(asked.video, return_inverse=True)
        return dataclasses.replace(asked, video=np.roll(videos, 1)[place])


KINDS: dict[str, tuple[type[Dataset], dict[str, Any]]] = {
    "model": (Dataset, {}),
    "shuffled": (ShuffledDataset, {}),
    "question only": (BlankDataset, NO_TSG | NO_JTG),
}


def train(folder: str, overrides: dict[str, Any], kind: str, seed: int) -> dict[str, float]:
    """Return the metrics of one trial."""
    torch.set_num_threads(1)
    of, settings = KINDS[kind]
    dataset = of(Path(folder))
    config = TrialConfig().with_values({**dataset.base, **overrides, **settings})
    with tempfile.TemporaryDirectory() as place:
        *_, result = train_pack([Trial(config, seed)], dataset, folder=Path(place))
    assert isinstance(result, TrialResult)
    assert result.status == "finished", result.reason
    return dict(result.metrics)


def prior(dataset: Dataset, split: str) -> dict[str, float]:
    """Return how often the commonest answer of a template in training is right, by type."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for content, answer, _ in _by_template(dataset, "train"):
        answers[content][answer] += 1
    right: dict[str, list[bool]] = defaultdict(list)
    for content, answer, kind in _by_template(dataset, split):
        hit = bool(answers[content]) and answers[content].most_common(1)[0][0] == answer
        right[kind].append(hit)
        right["all"].append(hit)
    return {kind: 100 * float(np.mean(hits)) for kind, hits in right.items()}


def _by_template(dataset: Dataset, split: str) -> list[tuple[str, str, str]]:
    """Return (sentence without names and places, answer, type) of every question."""
    table, questions = dataset.question_table(split), dataset.questions(split)
    return [
        (_template(text), dataset.answers[answer], QUESTION_TYPES[kind])
        for text, answer, kind in zip(
            table["text"].to_pylist(), questions.answer, questions.type, strict=True
        )
    ]


_NAMES = {
    *INSTRUMENTS,
    *("left", "middle", "right", "leftest", "rightest", "loudest", "lowest", "before", "after"),
    *("first", "last", "second", "third", "fourth", "fifth"),
}


def _template(text: str) -> str:
    return " ".join("_" if word in _NAMES else word for word in text.rstrip("?").split())


def probes(dataset: Dataset) -> dict[str, dict[str, float]]:
    """Return the mean AUC over instruments of ridge regressions fitted on the training videos.

    Sound: which instruments sound in a second. Picture: which stand in a third of the stage.
    Seconds of cutaways are left out.
    """
    fit = np.unique(dataset.questions("train").video)
    found: dict[str, dict[str, float]] = {}
    for name, read in (("sound", _heard), ("picture", _seen)):
        inputs, labels = read(dataset, fit)
        mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
        scaled = (inputs - mean) / spread
        gram = scaled.T @ scaled + RIDGE * len(scaled) * 1e-3 * np.eye(scaled.shape[1])
        weights = np.linalg.solve(gram, scaled.T @ (labels - labels.mean(axis=0)))
        found[name] = {}
        for split in dataset.tests:
            asked, truth = read(dataset, np.unique(dataset.questions(split).video))
            found[name][split] = _auc(((asked - mean) / spread) @ weights, truth)
    return found


def _auc(scores: Array, labels: Array) -> float:
    values = []
    for score, label in zip(scores.T, labels.T.astype(bool), strict=True):
        positive, negative = int(label.sum()), int((~label).sum())
        if positive and negative:
            rank = rankdata(score)[label].sum() - positive * (positive + 1) / 2
            values.append(rank / positive / negative)
    return float(np.mean(values))


def _scenes(dataset: Dataset) -> Any:
    return json.loads(gzip.decompress((dataset.folder / SCENES).read_bytes()))


def _shown(scene: Any) -> Array:
    """Return the seconds in which the performance itself is on."""
    cut = scene["cutaway"]["shown"] if scene["cutaway"] else [0] * scene["seconds"]
    return np.flatnonzero(np.array(cut) == 0)


def _heard(dataset: Dataset, videos: Array) -> tuple[Array, Array]:
    scenes, features = _scenes(dataset), _features(dataset)
    inputs, labels = [], []
    for video in videos:
        seconds = _shown(scenes[video])
        sounding = np.zeros((len(seconds), len(INSTRUMENTS)))
        for source in scenes[video]["sources"]:
            loud = np.array(source["loudness"])[seconds] > 0
            sounding[:, INSTRUMENTS.index(source["instrument"])] += loud
        inputs.append(np.asarray(features.audio[video], np.float64)[seconds])
        labels.append(sounding > 0)
    return np.concatenate(inputs), np.concatenate(labels)


def _seen(dataset: Dataset, videos: Array) -> tuple[Array, Array]:
    scenes, features = _scenes(dataset), _features(dataset)
    inputs, labels = [], []
    for video in videos:
        (rows, columns), seconds = scenes[video]["grid"], _shown(scenes[video])
        if not len(seconds):
            continue
        second = seconds[len(seconds) // 2]
        cells = np.asarray(features.visual[video, second], np.float64).reshape(rows, columns, -1)
        for third, part in enumerate(((0, 3), (2, 5), (4, 7))):
            standing = np.zeros(len(INSTRUMENTS))
            for source in scenes[video]["sources"]:
                if source["visible"]:
                    left, _, right, _ = source["boxes"][second]
                    if min(int(3 * (left + right) / 2), 2) == third:
                        standing[INSTRUMENTS.index(source["instrument"])] = 1
            inputs.append(cells[:, slice(*part)].mean(axis=(0, 1)))
            labels.append(standing)
    return np.stack(inputs), np.stack(labels)


def _features(dataset: Dataset) -> Features:
    return dataset.features(TrialConfig().with_values({**dataset.base, "data.t2": 1}))


def main() -> None:
    """Train, probe and print."""
    parser = training_options(__doc__)
    parser.add_argument("--probes", action="store_true")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    dataset, overrides = open_dataset(options.data), parse_overrides(options.set)
    print(f"{dataset.name} ({dataset.origin}), {dataset.fingerprint}, seeds {options.seeds}\n")
    if not options.probes:
        _features(dataset)
        results = side_by_side(partial(train, options.data, overrides), KINDS, seeds, options)
        for split in dataset.tests:
            _print_accuracy(dataset, split, seeds, results)
        _print_grounding(dataset, seeds, results)
    print("| Probe, mean AUC | " + " | ".join(dataset.tests) + " |")
    print("|---|" + "---|" * len(dataset.tests))
    for name, found in probes(dataset).items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in found.values()) + " |")


def _print_accuracy(dataset: Dataset, split: str, seeds: list[int], results: Any) -> None:
    guessed = prior(dataset, split)
    asked = Counter(QUESTION_TYPES[kind] for kind in dataset.questions(split).type)
    print(f"| {split} | prior | " + " | ".join(KINDS) + " |")
    print("|---|---|" + "---|" * len(KINDS))
    for row in (name for name in ROWS if name in guessed):
        name = metric(split, row)
        values = {kind: [results[kind, seed][name] for seed in seeds] for kind in KINDS}
        cells = [f"{guessed[row]:.1f}", *map(_mean, values.values())]
        count = asked[row] if row != "all" else asked.total()
        print(f"| {row} ({count}) | " + " | ".join(cells) + " |")
    print()


def _mean(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def _print_grounding(dataset: Dataset, seeds: list[int], results: Any) -> None:
    print("| Grounding | " + " | ".join(dataset.tests) + " |")
    print("|---|" + "---|" * len(dataset.tests))
    for score in ("spatial", "spatial_uniform", "temporal", "temporal_uniform"):
        name = f"ground/{score}"
        names = [name if split == "test" else metric(split, name) for split in dataset.tests]
        values = [[results["model", seed].get(it, np.nan) for seed in seeds] for it in names]
        print(f"| {name} | " + " | ".join(map(_mean, values)) + " |")
    print()


if __name__ == "__main__":
    main()
