"""What a sweep asks of the machines, and what fits on them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

from tass_core.errors import SweepError
from tass_core.training.fuse import Fuse, check_fuse

COORDINATOR_CPUS = 0.1
"""CPUs of the Tune trial that waits for a pack's workers: 0 is refused, more is wasted."""

Node = Mapping[str, float]
"""A node's resources, with the keys ``CPU`` and ``GPU``."""


@dataclass(frozen=True, slots=True)
class Resources:
    """How packs are spread over the machines."""

    pack_size: int | None = None
    """Most members of a pack; None chooses by the number of trials."""
    workers_per_pack: int = 1
    cpus_per_worker: float | None = None
    """CPUs of a worker; None is one, or less when several workers must share the machine."""
    gpus_per_worker: float | None = None
    """GPUs of a worker; None is one where there are enough for a pack, and none elsewhere."""
    address: str | None = None
    """An existing Ray cluster; None starts Ray on this machine."""
    fuse: Fuse | None = None
    """Members that take their steps as one; None measures on GPUs and fuses none on CPUs."""

    def __post_init__(self) -> None:
        for name, value, lowest in (
            ("--pack-size", self.pack_size, 1),
            ("--workers-per-pack", self.workers_per_pack, 1),
            ("--gpus-per-worker", self.gpus_per_worker, 0),
        ):
            if value is not None and value < lowest:
                raise SweepError(f"{name} {value} is out of range; allowed: {lowest} or more")
        gpus = self.gpus_per_worker or 0.0
        if self.workers_per_pack > 1 and 0 < gpus < 1:
            raise SweepError(
                f"--gpus-per-worker {gpus} is out of range; allowed with "
                f"--workers-per-pack {self.workers_per_pack}: whole numbers (workers of one pack "
                "cannot share a GPU)"
            )
        if self.fuse is not None:
            check_fuse(self.fuse, self.workers_per_pack)
        if self.cpus_per_worker is not None and self.cpus_per_worker <= 0:
            raise SweepError(
                f"--cpus-per-worker {self.cpus_per_worker} is out of range; allowed: above 0"
            )
        if gpus > 1 and gpus % 1:
            raise SweepError(
                f"--gpus-per-worker {gpus} is out of range; allowed: a fraction "
                "below 1, or a whole number (Ray cannot share a part of several GPUs)"
            )


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

    def alone(self) -> Slots:
        """Return what one worker asks for."""
        return replace(self, workers=1)


def settle_gpus(resources: Resources, nodes: Sequence[Node]) -> Resources:
    """Return the resources with the GPUs of a worker chosen by what there is, unless they are."""
    if resources.gpus_per_worker is not None:
        return resources
    there = sum(int(node.get("GPU", 0.0)) for node in nodes)
    return replace(resources, gpus_per_worker=float(there >= resources.workers_per_pack))


def plan_slots(resources: Resources, nodes: Sequence[Node]) -> Slots:
    """Return how many packs fit at once.

    Args:
        resources: what a person asked for.
        nodes: of the cluster.

    Raises:
        SweepError: not even one pack fits; Ray itself would wait for ever without a word.
    """
    workers = resources.workers_per_pack
    total = sum(node.get("CPU", 0.0) for node in nodes)
    cpus = resources.cpus_per_worker
    if cpus is None:
        share = (total - COORDINATOR_CPUS) / workers
        cpus = 1.0 if workers == 1 else max(0.05, min(1.0, int(share * 20) / 20))
    gpus = settle_gpus(resources, nodes).gpus_per_worker or 0.0
    slots = Slots(cpus, gpus, workers, 0)
    packs = count_packs(slots, nodes)
    if packs < 1:
        available = sum(node.get("GPU", 0.0) for node in nodes)
        raise SweepError(
            f"a pack asks for {workers} worker(s) with {cpus:g} CPU and {gpus:g} GPU each, and "
            f"this cluster has {total:g} CPU and {available:g} GPU on {len(nodes)} node(s); "
            "lower --workers-per-pack, --cpus-per-worker or --gpus-per-worker"
        )
    return replace(slots, packs=packs)


def count_packs(slots: Slots, nodes: Sequence[Node]) -> int:
    """Return how many packs that ask for so much fit on nodes at once."""
    packs = sum(_fitting(node, slots.cpus, slots.gpus) for node in nodes) // slots.workers
    if slots.workers > 1:
        total = sum(node.get("CPU", 0.0) for node in nodes)
        packs = min(packs, int(total / (slots.workers * slots.cpus + COORDINATOR_CPUS) + 1e-9))
    return packs


def lacks_all(resources: Resources, nodes: Sequence[Node]) -> bool:
    """Whether the nodes have nothing at all of something that a pack asks for."""
    kinds = {"CPU", "GPU"} if resources.gpus_per_worker else {"CPU"}
    return not any(all(node.get(kind, 0.0) > 0 for kind in kinds) for node in nodes)


def this_machine() -> Node:
    """Return the resources of the machine that this process runs on."""
    cpus = float(os.cpu_count() or 1)
    if version("torch").endswith("+cpu"):  # no need to load it to know that it finds no GPU
        return {"CPU": cpus, "GPU": 0.0}
    import torch

    return {"CPU": cpus, "GPU": float(torch.cuda.device_count())}


def _fitting(node: Node, cpus: float, gpus: float) -> int:
    """Return how many workers fit on a node; a GPU is shared only by fractions of itself."""
    fits = int(node.get("CPU", 0.0) / cpus + 1e-9)
    if gpus <= 0:
        return fits
    available = node.get("GPU", 0.0)
    shared = int(available) * int(1 / gpus + 1e-9) if gpus < 1 else int(available / gpus + 1e-9)
    return min(fits, shared)
