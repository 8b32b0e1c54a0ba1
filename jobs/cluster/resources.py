"""What a person may decide about how a sweep runs; none of it changes a trial's result."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tass_core.errors import SweepError
from tass_core.training import Fuse, Halving
from tass_core.training.fuse import check_fuse

DEFAULT_SEEDS = (0, 1)


@dataclass(frozen=True, slots=True)
class Resources:
    """How packs are spread over the machines."""

    pack_size: int | None = None
    """Most members of a pack; None chooses by the number of trials."""
    workers_per_pack: int = 1
    cpus_per_worker: float | None = None
    """CPUs of a worker; None is one, or less when several workers must share the machine."""
    gpus_per_worker: float = 0.0
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
        if self.workers_per_pack > 1 and 0 < self.gpus_per_worker < 1:
            raise SweepError(
                f"--gpus-per-worker {self.gpus_per_worker} is out of range; allowed with "
                f"--workers-per-pack {self.workers_per_pack}: whole numbers (workers of one pack "
                "cannot share a GPU)"
            )
        if self.fuse is not None:
            check_fuse(self.fuse, self.workers_per_pack)
        if self.cpus_per_worker is not None and self.cpus_per_worker <= 0:
            raise SweepError(
                f"--cpus-per-worker {self.cpus_per_worker} is out of range; allowed: above 0"
            )
        if self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise SweepError(
                f"--gpus-per-worker {self.gpus_per_worker} is out of range; allowed: a fraction "
                "below 1, or a whole number (Ray cannot share a part of several GPUs)"
            )


@dataclass(frozen=True, slots=True)
class Keep:
    """Which checkpoints outlive the sweep: all best epochs, the best ``top`` trials', or none."""

    policy: str = "best"
    top: int = 0
    """How many stay unless all do."""

    @classmethod
    def parse(cls, text: str) -> Keep:
        """Build from ``best``, ``none`` or ``top:N``.

        Raises:
            SweepError: the text is none of these.
        """
        if text in ("best", "none"):
            return cls(text)
        match = re.fullmatch(r"top:([1-9]\d*)", text)
        if match is None:
            raise SweepError(f"--keep {text}: allowed are best, none, and top:N such as top:5")
        return cls("top", int(match.group(1)))


@dataclass(frozen=True, slots=True)
class Search:
    """An Optuna search instead of a grid."""

    trials: int = 32
    """Trials to propose, duplicates and pruned ones included."""
    halving: Halving | None = field(default_factory=Halving)
    confirm: int = 5
    """Best variants to train with all the seeds."""
    storage: str | None = None
    """Optuna storage URL; None is a SQLite file beside the tracking database."""

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--confirm", self.confirm)):
            if value < 1:
                raise SweepError(f"{name} {value} is out of range; allowed: 1 or more")


def parse_seeds(seeds: str | None, num_seeds: int | None) -> tuple[int, ...]:
    """Return the seeds of ``--seeds 0,1,2`` or of ``--num-seeds 3``.

    Raises:
        SweepError: both are given, or one is malformed.
    """
    if seeds is not None and num_seeds is not None:
        raise SweepError("--seeds and --num-seeds exclude each other; give one of them")
    if num_seeds is not None:
        if num_seeds < 1:
            raise SweepError(f"--num-seeds {num_seeds} is out of range; allowed: 1 or more")
        return tuple(range(num_seeds))
    if seeds is None:
        return DEFAULT_SEEDS
    try:
        chosen = tuple(int(part) for part in seeds.split(","))
    except ValueError:
        chosen = ()
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise SweepError(
            f"--seeds {seeds}: allowed are different whole numbers from 0, such as 0,1,2"
        )
    return chosen
