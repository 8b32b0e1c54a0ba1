"""How reading commands, their memory and the writer grow with the trials that a store holds.

Run ``python -m benchmarks.growth [--trials 1000 10000] [--sweeps 20]``: into SQLite files in a
temporary folder, with ``--postgresql`` into databases of a server that it starts, or with
``--tracking-uri URI`` into another store. Every run is written by the real outbox,
delivery and writer; its numbers are made up, its config, plan and predictions are real ones.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.services import Postgres, running
from benchmarks.tables import print_machine, print_table
from search_spaces.load import load
from search_spaces.plan import Plan, make_plan
from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES
from tass_core.data.world.make import make_world
from tass_core.evaluation.predictions import Predictions, write_predictions
from tracking import schema, writer
from tracking.connect import connect
from tracking.delivery import Delivery
from tracking.events import (
    EpochDone,
    Event,
    Origin,
    SweepClosed,
    SweepOpened,
    TrialEnded,
    TrialOpened,
)
from tracking.outbox import Outbox
from tracking.uris import store_name

EPOCHS = 3
SEEDS = (0, 1)
DOCUMENT = """purpose = "a grid of the benchmark"
base = {{ model.width = 16, data.t2 = 4 }}
epochs = {epochs}
[grids.growth{number}]
title = "growth {number}"
axes = {{ tau = {{ field = "model.tau", values = {values} }} }}
"""
TELLING = """
import atexit, pathlib, re, time
def tell():
    most = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    pathlib.Path("spent").write_text(f"{time.process_time()} {most}")
atexit.register(tell)
from cli.main import main
main()
"""
"""Calls a command, which writes down its processor seconds and the most memory, in kB."""
ROOT = Path(__file__).parents[1]


class Made:
    """Predictions and checkpoints of trials that nobody trained."""

    def __init__(self, dataset: Dataset) -> None:
        asked = dataset.questions("test")
        self._random = np.random.default_rng(0)
        answers = np.array(dataset.answers)
        self._asked = Predictions(
            question_id=asked.question_id,
            type=np.array(QUESTION_TYPES)[asked.type],
            answer=answers[asked.answer],
            predicted=answers[asked.answer],
            correct=np.ones(len(asked), dtype=bool),
            split="test",
            video=np.array(dataset.video_ids)[asked.video],
        )
        self._correct: dict[str, Any] = {}

    def answer(self, key: str) -> dict[str, float]:
        """Answer the test questions for a trial; return its accuracies in percent."""
        asked = self._asked
        correct = self._random.random(len(asked.question_id)) < 0.6
        self._correct[key] = correct
        scores: dict[str, float] = {}
        for name, types in {**AVERAGES, **{name: (name,) for name in QUESTION_TYPES}}.items():
            kept = np.isin(asked.type, types)
            if kept.any():
                scores[f"test/{name}"] = 100 * float(correct[kept].mean())
        return scores

    def fetch(self, _storage: str, relative: str, target: Path) -> None:
        """Write a trial's file."""
        key, name = relative.split("/")
        if name == "config.json":
            target.write_text(json.dumps({"trial_key": key}))
            return
        correct = self._correct.pop(key)
        wrong = np.where(correct, self._asked.answer, "")
        write_predictions(target, replace(self._asked, correct=correct, predicted=wrong))

    def sizes(self, _storage: str, _relative: str) -> Mapping[str, int]:
        """Return the files of a checkpoint."""
        return dict.fromkeys(writer.CHECKPOINT_FILES, 1)


class Counting:
    """A client that counts the calls that are made of it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._client, name)


def plans(dataset: Dataset, folder: Path, trials: int, sweeps: int) -> Iterator[tuple[Path, Plan]]:
    """Yield documents and plans of as many sweeps, which share no trial."""
    rows = trials // sweeps // len(SEEDS)
    for number in range(sweeps):
        values = [round(0.001 * (1 + number * rows + row), 6) for row in range(rows)]
        path = folder / f"growth{number}.toml"
        path.write_text(DOCUMENT.format(epochs=EPOCHS, number=number, values=values))
        document = load(path)
        base = TrialConfig().with_values(dataset.base).with_values(dict(document.base))
        yield path, make_plan(document, dataset, base, SEEDS)


def story(plan: Plan, made: Made) -> Iterator[Event]:
    """Yield what happens in a sweep."""
    now = time.time()
    common = {
        schema.DATASET: str(plan.dataset["name"]),
        schema.FINGERPRINT: plan.fingerprint,
        schema.TRAINING_VERSION: str(TRAINING_VERSION),
        schema.PROVENANCE: str(plan.dataset["provenance"]),
    }
    tags = {**common, schema.SWEEP: plan.sweep, schema.STATUS: "running"}
    sweep = plan.key
    yield SweepOpened(sweep=sweep, name=plan.sweep, plan=plan.to_dict(), tags=tags, at=now)
    for key, trial in plan.trials.items():
        scores = made.answer(key)
        val = {name.replace("test/", "val/"): value for name, value in scores.items()}
        epoch = {**val, **{f"train/loss{part}": 1.0 for part in ("", "_qa", "_s", "_cms")}}
        variant = {
            schema.VARIANT: plan.name(key),
            schema.CONFIG_HASH: trial.config.hash(),
            schema.SEED: str(trial.seed),
        }
        params = {**trial.config.flat(), "seed": trial.seed, "fingerprint": plan.fingerprint}
        yield TrialOpened(
            key=key,
            sweep=sweep,
            name=plan.name(key),
            params=params,
            tags={**common, **variant},
            at=now,
        )
        for number in range(1, EPOCHS + 1):
            yield EpochDone(
                key=key, attempt=0, epoch=number, metrics=epoch, seconds=0.1, at=now + number
            )
        own = {"best_epoch": float(EPOCHS), "params_m": 1.0, "questions_per_s": 100.0}
        yield TrialEnded(
            key=key,
            attempt=0,
            status="finished",
            reason=None,
            best_epoch=EPOCHS,
            metrics={**scores, **val, **own},
            weights=key,
            predictions=f"{key}/predictions.parquet",
            seconds_per_epoch=0.1,
            fused=1,
            at=now + EPOCHS,
        )
    yield SweepClosed(sweep=sweep, status="finished", startup=5.0, at=now + EPOCHS)


def fill(uri: str, dataset: Dataset, folder: Path, trials: int, sweeps: int) -> dict[str, float]:
    """Write finished sweeps; return figures of the writing, a trial."""
    made, counting = Made(dataset), Counting(connect(uri))
    origin = Origin(dataset.name, dataset.fingerprint, str(folder))
    with mock.patch.object(writer, "connect", return_value=counting):
        to = writer.Writer(uri, made)
    delivery = Delivery(Outbox(folder / "tass-runs", store_name(uri)), to)
    spent, posting = time.process_time(), 0.0
    delivery.start()
    for _, plan in plans(dataset, folder, trials, sweeps):
        events = list(story(plan, made))
        start = time.perf_counter()
        for event in events:
            delivery.post(origin, [event])
        posting += time.perf_counter() - start
        assert delivery.drain(3600), delivery.trouble
    assert not delivery.refused, delivery.refused
    delivery.close()
    return {
        "MLflow calls a trial": sum(counting.calls.values()) / trials,
        "writer, ms a trial": 1000 * (time.process_time() - spent) / trials,
        "outbox, ms a trial": 1000 * posting / trials,
    }


def measure(folder: Path, *words: str) -> tuple[float, float]:
    """Return the processor seconds and the most memory, in MB, of a command that succeeds."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    tass = [sys.executable, "-c", TELLING, *words]
    done = subprocess.run(tass, cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seconds, kilobytes = (folder / "spent").read_text().split()
    return float(seconds), int(kilobytes) / 1024


def commands(uri: str, dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return what to call a reading command -> its words; every trial of it is held."""
    last, data = "growth0.toml", ("--data", str(dataset.folder), "--seeds", "0,1")
    store = ("--tracking-uri", uri)
    return {
        "nothing": ("--version",),
        "plan": ("plan", last, *data, *store),
        "sweep, all held": ("sweep", last, *data, *store, "--yes"),
        "status": ("status", *store),
        "best": ("best", *store),
        "tables, one sweep": ("tables", "growth0", *store),
    }


def main() -> None:
    """Read the options, and start a server if one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--sweeps", type=int, default=20)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--postgresql", action="store_true", help="Start a server, instead of SQLite."
    )
    where.add_argument("--tracking-uri", help="A new and empty store; only for one size.")
    options = parser.parse_args()
    with running(Postgres()) if options.postgresql else nullcontext() as server:
        measure_all(options, server)


def measure_all(options: argparse.Namespace, server: Postgres | None) -> None:
    """Fill a store of each size and print what it costs to write and to read."""
    writing: dict[int, dict[str, float]] = {}
    reading: dict[int, dict[str, tuple[float, float]]] = {}
    for trials in options.trials:
        with tempfile.TemporaryDirectory(prefix="tass-growth-") as name:
            folder = Path(name)
            uri = options.tracking_uri or f"sqlite:///{folder}/mlflow.db"
            if server is not None:
                uri = server.create(f"growth{trials}")
            make_world("tiny", folder / "world", seed=0)
            dataset = open_dataset(folder / "world")
            writing[trials] = fill(uri, dataset, folder, trials, options.sweeps)
            reading[trials] = {
                label: measure(folder, *words) for label, words in commands(uri, dataset).items()
            }
    print_machine()
    kind = uri.partition(":")[0].partition("+")[0]
    print(f"{options.sweeps} sweeps of equal size on {kind}, {EPOCHS} epochs a trial.\n")
    sizes = [f"{trials:,} trials" for trials in options.trials]
    rows = [
        (label, *(f"{writing[trials][label]:.1f}" for trials in options.trials))
        for label in next(iter(writing.values()))
    ]
    print_table(("writing", *sizes), rows)
    seen = [
        (label, *(reading[it][label] for it in options.trials)) for label in commands("", dataset)
    ]
    rows = [(label, *(f"{s:.1f} s, {mb:.0f} MB" for s, mb in found)) for label, *found in seen]
    print_table(("reading: processor seconds, most memory", *sizes), rows)


if __name__ == "__main__":
    main()
