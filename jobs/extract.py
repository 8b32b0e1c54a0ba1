"""Extracting features from many videos with Ray: the ``map`` over them on any number of workers.

On a cluster the videos, the weights and the parts must be at the same paths on every node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.cluster.session import connected
from tass_core.data.extract.pipeline import Job, Outcome, PartMaker
from tass_core.errors import DataError, TassError

RETRIES = 2
"""How often a video is tried again after its worker died."""


@dataclass(frozen=True, slots=True)
class RayMap:
    """Calls a part maker with every job on workers of Ray, one video at a time each.

    A dead worker is replaced and its video tried again.
    """

    workers: int
    address: str | None = None
    """Address of a Ray cluster; None starts Ray here."""

    def __call__(self, make: PartMaker, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Yield the outcomes as they come.

        Raises:
            SweepError: the cluster cannot be reached.
            DataError: it has no GPU, or a worker failed or died too often.
        """
        if not jobs:
            return
        with connected(self.address):
            yield from _hand_out(_start_workers(self.workers, make, len(jobs)), jobs)


class _Worker:
    """A copy of the maker on some node."""

    def __init__(self, make: PartMaker) -> None:
        self._make = make

    def run(self, job: Job) -> Outcome:
        return self._make(job)


def _start_workers(workers: int, make: PartMaker, jobs: int) -> list[Any]:
    import ray

    gpu = make.device.startswith("cuda")
    # An actor that finds no room would keep its video for ever.
    room = int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
    if not room:
        raise DataError("Ray sees no GPU on any node; extract with --device cpu")
    kind = ray.remote(
        num_cpus=1,
        num_gpus=1 if gpu else 0,
        max_restarts=-1,
        max_task_retries=RETRIES,
    )(_Worker)
    # A copy has no encoders yet, and an actor sees only the GPU that Ray gives it.
    copy = replace(make, device="cuda" if gpu else make.device)
    return [kind.remote(copy) for _ in range(min(workers, jobs, room))]


def _hand_out(actors: Sequence[Any], jobs: Sequence[Job]) -> Iterator[Outcome]:
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    queue = iter(jobs)
    running = {actor.run.remote(job): actor for actor, job in zip(actors, queue, strict=False)}
    while running:
        (done,), _rest = ray.wait(list(running), num_returns=1)
        actor = running.pop(done)
        try:
            yield ray.get(done)
        except RayTaskError as error:
            raise _as_ours(error) from None
        except RayActorError as error:
            raise DataError(
                f"a worker died {RETRIES + 1} times over one video ({str(error)[:200]}); "
                "with too little memory use fewer --workers. Finished videos are kept"
            ) from None
        following = next(queue, None)
        if following is not None:
            running[actor.run.remote(following)] = actor


def _as_ours(error: Any) -> Exception:
    cause = error.cause if isinstance(error.cause, TassError) else None
    return cause or DataError(f"a worker failed: {str(error)[-400:]}")
