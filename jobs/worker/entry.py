"""Where the train function meets Ray: in a Tune trial's process, or in Ray Train's workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from jobs.cluster.resources import Slots
from jobs.packs import Pack
from jobs.worker.train import Workplace, train
from tass_core import TRAINING_VERSION
from tass_core.devices import device_for
from tass_core.errors import ConfigError, DataError, SweepError
from tracking.events import Result


class PlaceError(Exception):
    """A pack cannot train where it is; another place may do."""


def run_pack(config: dict[str, Any], place: Workplace) -> None:
    """Train a pack in the Tune trial's own process."""
    from ray import tune

    pack = Pack.from_dict(json.loads(config["pack"]))
    report = _reporting(tune.report, pack)
    report([])
    with blaming_place(config, place):
        train(pack, place, report)


def run_pack_on_workers(config: dict[str, Any], place: Workplace, slots: Slots) -> None:
    """Train a pack on several workers, which a Tune trial coordinates."""
    from ray import tune
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from jobs.worker.relay import Relay

    pack = Pack.from_dict(json.loads(config["pack"]))
    _reporting(tune.report, pack)([])
    wanted = {"CPU": slots.cpus} | ({"GPU": slots.gpus} if slots.gpus else {})
    relay = Relay()
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={**config, "place": place},
        scaling_config=ScalingConfig(
            num_workers=slots.workers,
            use_gpu=slots.gpus > 0,
            resources_per_worker=wanted,
            label_selector=elsewhere(config) or None,
        ),
        run_config=RunConfig(
            name=pack.key,
            storage_path=str(Path(place.storage) / "ray-train"),
            callbacks=[relay],
            failure_config=FailureConfig(max_failures=0),
        ),
    )
    relay.follow(trainer.fit)


def elsewhere(config: dict[str, Any]) -> dict[str, str]:
    """Return the labels that a node must have: any id but those of the nodes that are shunned."""
    shunned = config["shunned"]
    return {"ray.io/node-id": f"!in({shunned})"} if shunned else {}


@contextmanager
def blaming_place(config: dict[str, Any], place: Workplace) -> Iterator[None]:
    """Raise PlaceError for what is wrong with this node, the dataset or the storage.

    Nothing of it says anything of the pack's trials.
    """
    if config["training_version"] != TRAINING_VERSION:
        raise PlaceError(
            f"this node has TRAINING_VERSION {TRAINING_VERSION}, the driver "
            f"{config['training_version']}; install the driver's version there"
        )
    try:
        device_for(place.gpus)
    except ConfigError as error:
        raise PlaceError(str(error)) from error
    try:
        yield
    except (DataError, SweepError, OSError) as error:
        raise PlaceError(str(error)) from error


def _train_worker(config: dict[str, Any]) -> None:
    import ray.train

    from tass_core.workers import Shard

    context = ray.train.get_context()
    shard = Shard(context.get_world_rank(), context.get_world_size())
    pack, place = Pack.from_dict(json.loads(config["pack"])), config["place"]
    with blaming_place(config, place):
        train(pack, place, _reporting(ray.train.report, pack), shard)


def _reporting(
    tell: Callable[[dict[str, Any]], None], pack: Pack
) -> Callable[[list[Result]], None]:
    """Return what reports a pack's results, with the node that they come from."""
    node = ray.get_runtime_context().get_node_id()

    def report(events: list[Result]) -> None:
        tell({"events": events, "node": node, "pack": pack.key})

    return report
