"""The best variant of what MLflow holds, and its checkpoint as a folder to hand over."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pyarrow import fs

from tass_core import TRAINING_VERSION
from tass_core.checkpoints import load_checkpoint
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import CheckpointError, ExportError, SweepError, TrackingError, nearest
from tass_core.evaluation.answering import evaluate
from tass_core.files import write_atomically
from tracking import schema
from tracking.reader import Reader, Snapshot, SweepRun, TrialRun, chosen


@dataclass(frozen=True, slots=True)
class Ranked:
    """A variant and its trials, by seed."""

    variant: str
    config_hash: str
    value: float
    """Mean of the metric over the seeds."""
    deviation: float | None
    values: dict[int, float]
    test: float
    """Mean test accuracy in percent, for information: it does not rank."""
    trials: dict[int, TrialRun]

    @property
    def best_seed(self) -> int:
        """The seed with the best value; ties go to the smaller trial key."""
        return min(self.values, key=lambda seed: (-self.values[seed], self.trials[seed].key))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Variants from best to worst."""

    sweep: SweepRun
    metric: str
    seeds: tuple[int, ...]
    rows: tuple[Ranked, ...]
    incomplete: int
    """Variants left out because a seed is missing."""


def rank(
    uri: str,
    *,
    sweep: str | None = None,
    metric: str = schema.VALIDATION,
    variant: str | None = None,
    seed: int | None = None,
) -> Ranking:
    """Rank the variants of a tracking store by their mean over seeds.

    Without ``sweep`` all trials on the dataset of the latest sweep take part, with its seeds.

    Args:
        uri: the tracking URI.
        sweep: run id, or name, of the sweep whose trials are meant.
        metric: a validation metric at each trial's best epoch; nothing selects on test.
        variant: only this variant, by name or config hash.
        seed: only this seed.

    Raises:
        TrackingError: the store has no such sweep.
        SweepError: the metric or variant cannot be ranked.
    """
    if not metric.startswith("val/"):
        raise SweepError(
            f"--metric {metric}: variants are selected on validation; allowed are metrics that "
            "begin with val/, such as val/all or val/av_avg"
        )
    snapshot = Reader(uri).snapshot()
    source = _source(snapshot, sweep)
    trials = [
        trial
        for trial in map(chosen, snapshot.trials.values())
        if trial.state == "finished"
        and trial.fingerprint == source.fingerprint
        and trial.training_version == str(TRAINING_VERSION)
        and (sweep is None or trial.key in source.keys)
    ]
    seeds = source.seeds if seed is None else (seed,)
    groups = _choose(_by_variant(trials), variant)
    complete = {h: group for h, group in groups.items() if set(seeds) <= set(group)}
    rows = [_ranked(snapshot, group, seeds, metric) for group in complete.values()]
    rows.sort(key=lambda row: (-row.value, row.trials[row.best_seed].key))
    if not rows:
        raise SweepError(f"no variant is finished with the seeds {list(seeds)} in {uri}")
    return Ranking(source, metric, tuple(seeds), tuple(rows), len(groups) - len(complete))


def export(
    uri: str, chosen: Ranked, seed: int, dataset: Dataset, target: Path, *, force: bool
) -> dict[str, float]:
    """Copy a checkpoint to ``target`` and return its metrics, once it is proved to be right.

    The copy is loaded, answers the test split again, and must give every answer that was
    logged; otherwise nothing is left at ``target``.

    Raises:
        ExportError: the target exists, the checkpoint is gone, or it disagrees with the log.
        CheckpointError: the checkpoint is damaged.
    """
    trial = chosen.trials[seed]
    if target.exists() and not force:
        raise ExportError(f"--export {target} exists; choose another folder or give --force")
    if dataset.fingerprint != trial.fingerprint:
        raise ExportError(
            f"{dataset.folder}: fingerprint {dataset.fingerprint}, but the trial was trained on "
            f"{trial.fingerprint}; name its dataset with --data"
        )
    with write_atomically(target) as partial:
        _copy(trial, partial)
        (partial / "README.md").write_text(model_card(chosen, seed, dataset))
        return _verify(uri, trial, partial, dataset)


def model_card(chosen: Ranked, seed: int, dataset: Dataset) -> str:
    """Return the exported folder's README."""
    trial = chosen.trials[seed]
    tests = {k: v for k, v in sorted(trial.metrics.items()) if k.startswith("test/")}
    numbers = "\n".join(
        f"| {name.removeprefix('test/')} | {value:.2f} |"
        for name, value in tests.items()
        if name.removeprefix("test/") not in ("loss", "spatial_entropy", "temporal_entropy")
    )
    return f"""# TASS checkpoint: {chosen.variant}, seed {seed}

Audio-visual question answering with the TASS model (PyTorch weights in safetensors).

- Variant: {chosen.variant} (config hash {chosen.config_hash}), trial {trial.key}
- Chosen for its validation accuracy: {chosen.values[seed]:.2f} % with this seed,
  {chosen.value:.2f} % on average over seeds {sorted(chosen.values)}
- Dataset: {dataset.name} ({dataset.provenance}), fingerprint {dataset.fingerprint}
- Answers: {len(dataset.answers)}; encoder features: {trial.params.get("model.encoder")}
- Training code version: {trial.training_version}

Evaluate it with `tass-cli evaluate FOLDER --data DATASET`.

## Test accuracy of the best epoch, in percent

| Questions | Accuracy |
|---|---|
{numbers}

These numbers belong to the dataset above{_caveat(dataset)}.
"""


def _caveat(dataset: Dataset) -> str:
    return "; it is procedural, so they are not MUSIC-AVQA results" if dataset.procedural else ""


def _source(snapshot: Snapshot, sweep: str | None) -> SweepRun:
    if sweep is not None:
        return snapshot.sweep(sweep)
    sweeps = snapshot.readable()
    if not sweeps:
        raise TrackingError(
            f"tracking URI {snapshot.address}: it holds no sweep; see `tass-cli status`"
        )
    return sweeps[0]


def _by_variant(trials: Sequence[TrialRun]) -> dict[str, dict[int, TrialRun]]:
    groups: dict[str, dict[int, TrialRun]] = defaultdict(dict)
    for trial in trials:
        groups[trial.config_hash][trial.seed] = trial
    return groups


def _choose(
    groups: dict[str, dict[int, TrialRun]], variant: str | None
) -> dict[str, dict[int, TrialRun]]:
    if variant is None:
        return groups
    names = {h: next(iter(group.values())).variant for h, group in groups.items()}
    chosen = {h: group for h, group in groups.items() if variant in (h, names[h])}
    if not chosen:
        raise SweepError(
            f"--variant {variant}: no finished trial has it{nearest(variant, names.values())}"
        )
    return chosen


def _ranked(
    snapshot: Snapshot, group: dict[int, TrialRun], seeds: Sequence[int], metric: str
) -> Ranked:
    trials = {seed: group[seed] for seed in seeds}
    values = {seed: _value(snapshot, trial, metric) for seed, trial in trials.items()}
    first = next(iter(trials.values()))
    return Ranked(
        variant=first.variant,
        config_hash=first.config_hash,
        value=statistics.mean(values.values()),
        deviation=statistics.stdev(values.values()) if len(values) > 1 else None,
        values=values,
        test=statistics.mean(trial.metrics["test/all"] for trial in trials.values()),
        trials=trials,
    )


def _value(snapshot: Snapshot, trial: TrialRun, metric: str) -> float:
    if metric == schema.VALIDATION and schema.BEST in trial.metrics:
        return trial.metrics[schema.BEST]
    points = dict(snapshot.history(trial.run_id, metric))
    best = int(trial.metrics[schema.BEST_EPOCH])
    if best not in points:
        raise SweepError(
            f"--metric {metric}: trial {trial.key} has no value of it at its best epoch {best}"
        )
    return points[best]


def _copy(trial: TrialRun, target: Path) -> None:
    """Copy a trial's checkpoint folder from wherever it was kept."""
    place = trial.checkpoint or ""
    gone = ExportError(
        f"trial {trial.key} ({trial.variant}, seed {trial.seed}) has no checkpoint"
        + (f" at {place} any more" if place else ": its sweep did not keep it (--keep)")
    )
    if not place:
        raise gone
    system, path = (
        fs.FileSystem.from_uri(place) if "://" in place else (fs.LocalFileSystem(), place)
    )
    if system.get_file_info(path).type != fs.FileType.Directory:
        raise gone
    target.mkdir(parents=True)
    fs.copy_files(path, str(target), system, None)


def _verify(uri: str, trial: TrialRun, folder: Path, dataset: Dataset) -> dict[str, float]:
    """Answer the test split with the copy and compare with the logged answers."""
    threads = torch.get_num_threads()
    # Trials of a sweep train on one thread, and sums round differently with their number.
    torch.set_num_threads(1)
    try:
        checkpoint = load_checkpoint(folder)
        if checkpoint.key != trial.key:
            raise CheckpointError(f"{folder}: holds trial {checkpoint.key}, not {trial.key}")
        found = evaluate(checkpoint.model, dataset, checkpoint.trial.config, "test")
    finally:
        torch.set_num_threads(threads)
    logged = Reader(uri).predictions(trial)
    if logged is None:
        raise ExportError(f"trial {trial.key}: MLflow has no predictions to compare with")
    expected = dict(zip(logged.question_id.tolist(), logged.predicted.tolist(), strict=True))
    answers = [checkpoint.answers[index] for index in found.predicted]
    given = dict(zip(found.questions.question_id.tolist(), answers, strict=True))
    differing = [q for q in expected.keys() | given.keys() if expected.get(q) != given.get(q)]
    if differing:
        raise ExportError(
            f"trial {trial.key}: the exported weights answer {len(differing)} of {len(given)} test "
            f"questions otherwise than logged (the first: question {min(differing)}); "
            "nothing was exported"
        )
    return {f"test/{name}": value for name, value in found.metrics.items()}
