"""A trial's checkpoint as a folder to hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from evidence.ranking import Ranked
from jobs.storage import fetch
from search_spaces.columns import COLUMNS
from tass_core.checkpoints import Checkpoint, load_checkpoint
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import CheckpointError, ExportError
from tass_core.evaluation.answering import evaluate, shortfalls
from tass_core.files import write_atomically
from tracking.reader import Snapshot, TrialRun

NEAR_TIE = 1e-3
"""How far below the largest logit that of a logged answer may be: GPUs, several threads and
stacked members round sums otherwise than the check does. Other weights differ by far more."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the check of an exported checkpoint found."""

    metrics: dict[str, float]
    """Of the test split."""
    near_ties: int
    """Questions whose logged answer is not given, but as good as; see ``NEAR_TIE``."""


def export(
    snapshot: Snapshot, ranked: Ranked, seed: int, dataset: Dataset, target: Path, *, force: bool
) -> Proof:
    """Copy a checkpoint to ``target`` and return the proof that it is the right one.

    The copy is loaded, answers the test split again, and must give every answer that was
    logged, near-ties apart; otherwise nothing is left at ``target``.

    Raises:
        ExportError: the target exists, the checkpoint is gone, or it disagrees with the log.
        CheckpointError: the checkpoint is damaged.
    """
    trial = ranked.trials[seed]
    if target.exists() and not force:
        raise ExportError(f"--export {target} exists; choose another folder or give --force")
    if dataset.fingerprint != trial.fingerprint:
        raise ExportError(
            f"{dataset.folder}: fingerprint {dataset.fingerprint}, but the trial was trained on "
            f"{trial.fingerprint}; name its dataset with --data"
        )
    with write_atomically(target) as partial:
        _copy(trial, partial)
        (partial / "README.md").write_text(model_card(ranked, seed, dataset))
        return _verify(snapshot, trial, partial, dataset)


def model_card(ranked: Ranked, seed: int, dataset: Dataset) -> str:
    """Return the exported folder's README."""
    trial = ranked.trials[seed]
    tests = {k: v for k, v in sorted(trial.metrics.items()) if k.startswith("test/")}
    numbers = "\n".join(
        f"| {name.removeprefix('test/')} | {value:.2f} |"
        for name, value in tests.items()
        if COLUMNS[name.removeprefix("test/")].types
    )
    return f"""# TASS checkpoint: {ranked.variant}, seed {seed}

Audio-visual question answering with the TASS model (PyTorch weights in safetensors).

- Variant: {ranked.variant} (config hash {ranked.config_hash}), trial {trial.key}
- Chosen for its validation accuracy: {ranked.values[seed]:.2f} % with this seed,
  {ranked.value:.2f} % on average over seeds {sorted(ranked.values)}
- Dataset: {dataset.name} ({dataset.origin}), fingerprint {dataset.fingerprint}
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
    return "; its scenes are invented, so they are not MUSIC-AVQA results" * dataset.invented


def _copy(trial: TrialRun, target: Path) -> None:
    """Copy a trial's checkpoint folder from wherever it was kept."""
    place = trial.checkpoint or ""
    gone = ExportError(
        f"trial {trial.key} ({trial.variant}, seed {trial.seed}) has no checkpoint"
        + (f" at {place} any more" if place else ": its sweep did not keep it (--keep)")
    )
    if not place:
        raise gone
    try:
        fetch(place, target)
    except FileNotFoundError:
        raise gone from None
    except OSError as error:
        raise ExportError(f"trial {trial.key}: its checkpoint at {place}: {error}") from None


def _verify(snapshot: Snapshot, trial: TrialRun, folder: Path, dataset: Dataset) -> Proof:
    """Answer the test split with the copy and compare with the logged answers."""
    logged = snapshot.predictions(trial)
    if logged is None:
        raise ExportError(f"trial {trial.key}: MLflow has no predictions to compare with")
    expected = dict(zip(logged.question_id.tolist(), logged.predicted.tolist(), strict=True))
    threads = torch.get_num_threads()
    # Trials of a sweep train on one thread, and sums round differently with their number.
    torch.set_num_threads(1)
    try:
        checkpoint = load_checkpoint(folder)
        if checkpoint.key != trial.key:
            raise CheckpointError(f"{folder}: holds trial {checkpoint.key}, not {trial.key}")
        found = evaluate(checkpoint.model, dataset, checkpoint.trial.config, "test")
        ids = found.questions.question_id.tolist()
        answers = [checkpoint.answers[index] for index in found.predicted]
        given = dict(zip(ids, answers, strict=True))
        differing = {q for q in expected.keys() | given.keys() if expected.get(q) != given.get(q)}
        ties = differing & _near_ties(checkpoint, dataset, ids, expected) if differing else set()
    finally:
        torch.set_num_threads(threads)
    wrong = differing - ties
    if wrong:
        raise ExportError(
            f"trial {trial.key}: the exported weights answer {len(wrong)} of {len(given)} test "
            f"questions otherwise than logged (the first: question {min(wrong)}); "
            "nothing was exported"
        )
    return Proof({f"test/{name}": value for name, value in found.metrics.items()}, len(ties))


def _near_ties(
    checkpoint: Checkpoint, dataset: Dataset, ids: Sequence[int], logged: Mapping[int, str]
) -> set[int]:
    """Return the questions whose logged answers are as good as the checkpoint's own."""
    places = {answer: place for place, answer in enumerate(checkpoint.answers)}
    wanted = np.array([places.get(logged.get(question, ""), -1) for question in ids])
    below = shortfalls(
        checkpoint.model, dataset, checkpoint.trial.config, "test", np.maximum(wanted, 0)
    )
    near = (wanted >= 0) & (below <= NEAR_TIE)
    return {question for question, is_near in zip(ids, near, strict=True) if is_near}
