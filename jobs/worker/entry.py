"""Where the train function meets Ray: in a Tune trial's process, or in Ray Train's workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.cluster.resources import Slots
from jobs.packs import Pack
from jobs.worker.train import Workplace, train
from tracking.events import Result


def run_pack(config: dict[str, Any], place: Workplace) -> None:
    """Train a pack in the Tune trial's own process."""
    from ray import tune

    def report(events: list[Result]) -> None:
        tune.report({"events": events})

    train(Pack.from_dict(json.loads(config["pack"])), place, report)


def run_pack_on_workers(
    config: dict[str, Any], place: Workplace, slots: Slots, max_failures: int
) -> None:
    """Train a pack on several workers, which a Tune trial coordinates."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from jobs.worker.relay import Relay

    pack = Pack.from_dict(json.loads(config["pack"]))
    wanted = {"CPU": slots.cpus} | ({"GPU": slots.gpus} if slots.gpus else {})
    relay = Relay()
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"pack": config["pack"], "place": place},
        scaling_config=ScalingConfig(
            num_workers=slots.workers, use_gpu=slots.gpus > 0, resources_per_worker=wanted
        ),
        run_config=RunConfig(
            name=pack.key,
            storage_path=str(Path(place.storage) / "ray-train"),
            callbacks=[relay],
            failure_config=FailureConfig(max_failures=max_failures),
        ),
    )
    relay.follow(trainer.fit)


def _train_worker(config: dict[str, Any]) -> None:
    import ray.train

    from tass_core.workers import Shard

    def report(events: list[Result]) -> None:
        ray.train.report({"events": events})

    context = ray.train.get_context()
    shard = Shard(context.get_world_rank(), context.get_world_size())
    train(Pack.from_dict(json.loads(config["pack"])), config["place"], report, shard)
