"""Ray, started quietly and left clean; and the check that a sweep's requests can be met."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.cluster.resources import Resources
from tass_core.errors import SweepError

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "86400",
}
COORDINATOR_CPUS = 0.1
"""CPUs of the Tune trial that waits for a pack's workers: 0 is refused, more is wasted."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What one pack asks of Ray, and how many packs run at once."""

    cpus: float
    """CPUs of a worker."""
    gpus: float
    """GPUs of a worker."""
    workers: int
    packs: int

    @property
    def threads(self) -> int:
        """Threads for torch in a worker."""
        return max(1, int(self.cpus))


@contextlib.contextmanager
def quiet_log(path: Path) -> Iterator[None]:
    """Send what Ray and Tune print in this process to a log file."""
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("a", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


@contextlib.contextmanager
def ray_session(resources: Resources) -> Iterator[Slots]:
    """Connect to Ray, or start it here, and yield what it can run at once.

    Raises:
        SweepError: the cluster cannot be reached, or a request can never be met.
    """
    check_machine(resources)
    with connected(resources.address, dashboard=resources.workers_per_pack > 1):
        yield plan_slots(resources, _nodes())


@contextlib.contextmanager
def connected(address: str | None, *, dashboard: bool = False) -> Iterator[None]:
    """Connect to a Ray cluster, or start Ray here when there is no address, and leave it again.

    Raises:
        SweepError: the cluster cannot be reached.
    """
    import ray

    # Ray writes its authentication token with the process's umask.
    umask = os.umask(0o077)
    try:
        if address is None:
            ray.init(
                address="local",
                include_dashboard=dashboard,
                object_store_memory=150 * 2**20,
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=True,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SweepError(f"--address {address}: {error}") from None
    finally:
        os.umask(umask)
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def check_machine(resources: Resources) -> None:
    """Refuse what can never run on this machine, without starting Ray to find out.

    Raises:
        SweepError: not even one pack fits.
    """
    if resources.address is None:
        import torch

        cpus, gpus = float(os.cpu_count() or 1), float(torch.cuda.device_count())
        plan_slots(resources, [{"CPU": cpus, "GPU": gpus}])


def plan_slots(resources: Resources, nodes: list[dict[str, float]]) -> Slots:
    """Return how many packs fit at once.

    Args:
        resources: what a person asked for.
        nodes: for each node its resources, with the keys ``CPU`` and ``GPU``.

    Raises:
        SweepError: not even one pack fits; Ray itself would wait for ever without a word.
    """
    workers = resources.workers_per_pack
    total = sum(node.get("CPU", 0.0) for node in nodes)
    cpus = resources.cpus_per_worker
    if cpus is None:
        share = (total - COORDINATOR_CPUS) / workers
        cpus = 1.0 if workers == 1 else max(0.05, min(1.0, int(share * 20) / 20))
    gpus = resources.gpus_per_worker
    fitting = sum(_fitting(node, cpus, gpus) for node in nodes)
    packs = fitting // workers
    if workers > 1:
        packs = min(packs, int(total / (workers * cpus + COORDINATOR_CPUS) + 1e-9))
    if packs < 1:
        available = sum(node.get("GPU", 0.0) for node in nodes)
        raise SweepError(
            f"a pack asks for {workers} worker(s) with {cpus:g} CPU and {gpus:g} GPU each, and "
            f"this cluster has {total:g} CPU and {available:g} GPU on {len(nodes)} node(s); "
            "lower --workers-per-pack, --cpus-per-worker or --gpus-per-worker"
        )
    return Slots(cpus, gpus, workers, packs)


def _nodes() -> list[dict[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _fitting(node: dict[str, float], cpus: float, gpus: float) -> int:
    """Return how many workers fit on a node; a GPU is shared only by fractions of itself."""
    fits = int(node.get("CPU", 0.0) / cpus + 1e-9)
    if gpus <= 0:
        return fits
    available = node.get("GPU", 0.0)
    shared = int(available) * int(1 / gpus + 1e-9) if gpus < 1 else int(available / gpus + 1e-9)
    return min(fits, shared)
