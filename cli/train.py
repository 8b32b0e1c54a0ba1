"""``tass-cli train`` and ``tass-cli evaluate``: one trial without Ray, and its metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from rich.table import Table

from cli.command import Command, option
from cli.options import (
    OUTPUT,
    WHAT,
    base_config,
    console,
    data_option,
    format_option,
    resolve_dataset,
    results,
    set_option,
)
from jobs.machine.allocator import keep_memory
from tass_core.checkpoints import Checkpoint, load_checkpoint
from tass_core.config import TrialConfig, read_config
from tass_core.data.folder.dataset import Dataset
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.errors import CheckpointError, TassError
from tass_core.evaluation.accuracy import metric
from tass_core.evaluation.answering import evaluate
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, TrialResult
from tass_core.trial import Trial, trial_key

TYPE_NAMES = {
    "a_count": "Audio: Counting",
    "a_comp": "Audio: Comparative",
    "a_avg": "Audio: Avg",
    "v_count": "Visual: Counting",
    "v_loc": "Visual: Location",
    "v_avg": "Visual: Avg",
    "av_exist": "Audio-Visual: Existential",
    "av_loc": "Audio-Visual: Location",
    "av_count": "Audio-Visual: Counting",
    "av_comp": "Audio-Visual: Comparative",
    "av_temp": "Audio-Visual: Temporal",
    "av_avg": "Audio-Visual: Avg",
    "all": "All",
}


@click.command(cls=Command)
@option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group=WHAT,
    help="A TrialConfig as JSON. Default: the paper's config with the dataset's own settings.",
)
@set_option
@data_option
@option(
    "--seed", default=0, show_default=True, group=WHAT, help="Seed of weights, order and dropout."
)
@option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@option(
    "--threads",
    default=0,
    help="CPU threads; results are the same to the bit at equal threads. Default: all cores.",
)
@option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    group=OUTPUT,
    help="Folder of the run. Default: tass-runs/train/<trial key>. An interrupted run continues.",
)
@format_option
def train(
    config_file: Path | None,
    overrides: tuple[str, ...],
    data_path: Path | None,
    seed: int,
    device: str,
    threads: int,
    output: Path | None,
    output_format: str,
) -> None:
    """Train one trial and show its accuracy by question type.

    Running it again continues an interrupted run, or shows the result of a finished one.

    \b
    Example:
      tass-cli train --set model.tau=0.02 --set optimiser.epochs=5
    """
    _prepare(device, threads)
    dataset = resolve_dataset(data_path)
    config = _config(config_file, dataset, overrides)
    trial = Trial(config, seed)
    folder = output or Path("tass-runs") / "train" / trial_key(trial, dataset.fingerprint)
    console.print(_title(dataset, config, folder))
    result = None
    for event in train_pack([trial], dataset, folder=folder, device=device, replay=True):
        if isinstance(event, EpochResult):
            console.print(_epoch_line(event, config.optimiser.epochs))
        else:
            result = event
    assert result is not None
    if result.status != "finished":
        raise TassError(f"the trial {result.status}: {result.reason}")
    _show(result, dataset, output_format)


@click.command("evaluate", cls=Command)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@data_option
@option(
    "--split",
    default="test",
    show_default=True,
    metavar="NAME",
    group=WHAT,
    help="Which questions to answer: train, val, test, or a further test of the dataset.",
)
@option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@format_option
def evaluate_command(
    checkpoint: Path, data_path: Path | None, split: str, device: str, output_format: str
) -> None:
    """Evaluate a CHECKPOINT folder on a dataset, by question type.

    \b
    Example:
      tass-cli evaluate checkpoint --data data/demo
    """
    _prepare(device, 0)
    dataset = resolve_dataset(data_path)
    loaded = load_checkpoint(checkpoint)
    _check_fit(loaded, dataset, checkpoint, split)
    evaluation = evaluate(
        loaded.model.to(device), dataset, loaded.trial.config, split, device=device
    )
    if output_format == "json":
        described = {"split": split, "trial_key": loaded.key, "metrics": evaluation.metrics}
        click.echo(json.dumps(_identity(dataset) | described, indent=2))
        return
    counts = _counts(dataset, split)
    _table(f"{checkpoint} on {dataset.name}, {split} split", evaluation.metrics, counts)
    _note(dataset)


def _prepare(device: str, threads: int) -> None:
    check_device(device)
    keep_memory()
    torch.set_num_threads(threads or os.cpu_count() or 1)


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        TassError: with the devices there are.
    """
    kind = device.split(":")[0]
    if kind not in ("cpu", "cuda"):
        raise TassError(f"--device {device} is unknown; allowed: cpu, cuda, cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise TassError(f"--device {device}: this machine has no CUDA device; use --device cpu")


def _config(config_file: Path | None, dataset: Dataset, overrides: tuple[str, ...]) -> TrialConfig:
    if config_file is None:
        return base_config(dataset, overrides)
    return read_config(config_file).with_overrides(overrides)


def _title(dataset: Dataset, config: TrialConfig, folder: Path) -> str:
    note = f" ({_caveat(dataset)})" if dataset.invented else ""
    return f"Training variant {config.hash()} on {dataset.name}{note}; run folder {folder}"


def _epoch_line(event: EpochResult, epochs: int) -> str:
    metrics, prefix = event.metrics, "train/loss_"
    terms = ", ".join(
        f"{name.removeprefix(prefix)} {value:.{3 if value >= 0.1 else 4}f}"
        for name, value in metrics.items()
        if name.startswith(prefix)
    )
    return (
        f"epoch {event.epoch:>2}/{epochs}  loss {metrics['train/loss']:.3f} ({terms})"
        f"  val {metrics['val/all']:.2f}%"
        f"  {metrics['questions_per_s']:.0f} questions/s"
    )


def _identity(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "provenance": dataset.provenance,
    }


def _show(result: TrialResult, dataset: Dataset, output_format: str) -> None:
    if output_format == "json":
        described = {
            "trial_key": result.key,
            "best_epoch": result.best_epoch,
            "checkpoint": str(result.weights),
            "metrics": dict(result.metrics),
        }
        click.echo(json.dumps(_identity(dataset) | described, indent=2))
        return
    for split in dataset.tests:
        name = split.replace("-", " ").capitalize()
        title = f"{name} accuracy at epoch {result.best_epoch} (best on validation)"
        scores = {it: result.metrics.get(metric(split, it)) for it in TYPE_NAMES}
        _table(title, scores, _counts(dataset, split))
    _note(dataset)
    click.echo(f"Trainable parameters: {result.metrics['params_m']:.2f} M")
    click.echo(f"Checkpoint: {result.weights}")


def _counts(dataset: Dataset, split: str) -> dict[str, int]:
    types = dataset.questions(split).type
    counts = {name: int((types == index).sum()) for index, name in enumerate(QUESTION_TYPES)}
    return counts | {
        name: sum(counts[member] for member in members) for name, members in AVERAGES.items()
    }


def _table(title: str, metrics: Mapping[str, float | None], counts: Mapping[str, int]) -> None:
    table = Table(title=title, title_justify="left")
    table.add_column("Question type")
    table.add_column("Questions", justify="right")
    table.add_column("Accuracy %", justify="right")
    for name, label in TYPE_NAMES.items():
        accuracy = metrics.get(name)
        if accuracy is not None:
            style = "bold" if name == "all" or name.endswith("_avg") else ""
            table.add_row(label, str(counts[name]), f"{accuracy:.2f}", style=style)
    results().print(table)


def _note(dataset: Dataset) -> None:
    if dataset.invented:
        click.echo(f"Note: {_caveat(dataset)}.")


def _caveat(dataset: Dataset) -> str:
    return f"{dataset.origin}: these numbers are not MUSIC-AVQA results"


def _check_fit(loaded: Checkpoint, dataset: Dataset, folder: Path, split: str) -> None:
    dataset.check(loaded.trial.config, [split])
    if dataset.shapes(loaded.trial.config) != loaded.shapes or dataset.answers != loaded.answers:
        raise CheckpointError(
            f"{folder}: trained on {loaded.dataset['name']} with other shapes or answers than "
            f"{dataset.name}; evaluate it on a dataset of the same kind"
        )
