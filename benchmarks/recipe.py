"""The sweep against the usual recipe, on the same trials in one run.

The usual recipe is what Ray's documentation shows: a Tune trial for each configuration, a
``TorchTrainer`` with one worker inside it, and Tune's ``MLflowLoggerCallback``; as many at once
as the cores allow. Both train the same trials with the same training code. Results come to Tune by
``jobs.worker.relay``, because Ray's ``TuneReportCallback`` does the same and sometimes hangs.

Run ``python -m benchmarks.recipe [--data DIR] [--trials N] [--epochs N]``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import dataset_at
from benchmarks.tables import print_machine, print_table
from jobs.choices import Keep
from jobs.cluster.resources import Resources
from jobs.cluster.session import quiet_log
from jobs.driver import run
from jobs.driver.progress import Progress
from jobs.driver.session import Setting
from jobs.storage import open_storage
from search_spaces.document import Row, Sweep, Table
from search_spaces.plan import Plan, make_plan
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.trial import Trial
from tracking.connect import connect
from tracking.reader import COSTS, Reader


class Quiet:
    """Shows nothing."""

    def update(self, progress: Progress) -> None:
        """Nothing."""

    def ended(self, progress: Progress, event: dict[str, Any]) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def taus(dataset: Dataset, trials: int, epochs: int | None) -> Plan:
    """Return a plan of one variant for each of ``trials`` values of τ, one seed."""
    base = TrialConfig().with_values(dataset.base)
    if epochs is not None:
        base = base.replace("optimiser.epochs", epochs)
    rows = tuple(
        Row(f"τ {i}", {"model.tau": 0.05 * (i + 1) / trials, "data.t2": base.data.t2})
        for i in range(trials)
    )
    table = Table("recipe", "recipe", "Benchmark", ("all",), rows)
    return make_plan(Sweep("recipe", "Benchmark", (table,)), dataset, base, (0,))


def run_sweep(plan: Plan, dataset: Dataset, folder: Path) -> tuple[float, float]:
    """Run the plan as a sweep; return its wall-clock and the seconds spent in training."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    connect(uri)
    setting = Setting(
        dataset=dataset,
        storage=open_storage(str(folder / "runs")),
        tracking_uri=uri,
        resources=Resources(),
        keep=Keep(),
        max_failures=0,
        command="benchmark",
    )
    start = time.perf_counter()
    outcome = run.run_sweep(plan, run.grid, setting, Quiet())
    wall = time.perf_counter() - start
    assert outcome.trained == len(plan.trials), outcome
    training = sum(
        (trial.seconds_per_epoch or 0.0) * int(trial.params["optimiser.epochs"])
        for trial in Reader(uri).held(dataset.name, COSTS).values()
    )
    return wall, training


def run_recipe(plan: Plan, dataset: Dataset, folder: Path) -> float:
    """Run the same trials as the documentation of Ray shows; return the wall-clock."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    connect(uri)
    half = 0.5
    at_once = max(1, int((os.cpu_count() or 1) / (2 * half)))
    keys = list(plan.trials)
    start = time.perf_counter()
    with quiet_log(folder / "ray.log"):
        ray.init(address="local", log_to_driver=False, logging_level="ERROR")
        trainable = tune.with_parameters(
            _driver, trials=plan.trials, path=str(dataset.folder), folder=str(folder), cpus=half
        )
        results = tune.Tuner(
            tune.with_resources(trainable, {"cpu": half}),
            param_space={"key": tune.grid_search(keys)},
            tune_config=tune.TuneConfig(max_concurrent_trials=at_once),
            run_config=tune.RunConfig(
                storage_path=str(folder / "tune"),
                callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name="recipe")],
                verbose=0,
            ),
        ).fit()
        ray.shutdown()
    assert not results.errors, results.errors
    return time.perf_counter() - start


def _driver(
    config: dict[str, Any], trials: dict[str, Trial], path: str, folder: str, cpus: float
) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from jobs.worker.relay import Relay

    relay = Relay()
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"trial": trials[config["key"]], "path": path, "folder": folder},
        scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": cpus}),
        run_config=RunConfig(
            name=config["key"],
            storage_path=f"{folder}/train",
            callbacks=[relay],
        ),
    )
    relay.follow(trainer.fit)


def _worker(config: dict[str, Any]) -> None:
    import ray.train
    import torch

    from tass_core.training.pack import train_pack
    from tass_core.training.results import EpochResult

    torch.set_num_threads(1)
    dataset = open_dataset(config["path"])
    folder = Path(config["folder"]) / "own" / ray.train.get_context().get_experiment_name()
    for event in train_pack([config["trial"]], dataset, folder=folder):
        if isinstance(event, EpochResult):
            ray.train.report({"epoch": event.epoch, **event.metrics})


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="dataset; default: a tiny world made for it")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="tass-recipe-") as name,
        dataset_at(options.data, "tiny") as dataset,
    ):
        folder = Path(name)
        for part in ("sweep", "recipe"):
            (folder / part).mkdir()
        plan = taus(dataset, options.trials, options.epochs)
        # Pooling is cached on disk: whoever comes first must not pay for both.
        dataset.features(plan.base)
        recipe = run_recipe(plan, dataset, folder / "recipe")
        sweep, _ = run_sweep(plan, dataset, folder / "sweep")
    trials = options.trials
    print_machine()
    print(f"{trials} trials of {plan.base.optimiser.epochs} epochs on '{dataset.name}'.\n")
    rows = [
        (name, f"{wall:.1f}", f"{wall / trials:.2f}", f"{recipe / wall:.1f}")
        for name, wall in (("usual recipe", recipe), ("sweep", sweep))
    ]
    print_table(("", "wall-clock, s", "s a trial", "times as fast"), rows)


if __name__ == "__main__":
    main()
