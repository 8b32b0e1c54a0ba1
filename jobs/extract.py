"""Extracting features from many videos with Ray: any number of workers, stopped at any time.

Every video's features are a file of their own until all are there; a run that was stopped
continues with the videos that have none. On a cluster the videos, the weights and the parts
must be at the same paths on every node.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tass_core.data.extract import (
    ExtractSettings,
    FrozenEncoders,
    Parts,
    assemble,
    extract_video,
    find_videos,
    load_encoders,
    weight_checksums,
)
from tass_core.data.ingest.features import IngestReport
from tass_core.data.ingest.sources import LeftOut, gather, require_complete
from tass_core.errors import DataError, TassError
from tass_core.files import PartialFolder

Say = Callable[[str], None]
Progress = Callable[[int, int], None]

RETRIES = 2
"""How often a video is tried again after its worker died."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExtractPlan:
    """What to extract, with what, and where to put it."""

    questions: Mapping[str, Path]
    """Question file by split."""
    videos: Path
    """Folder of ``<video>.mp4`` or another ending."""
    out: Path
    name: str
    settings: ExtractSettings
    weights: Path | None = None
    """Folder of the encoders' weights; None looks in the libraries' caches."""
    parts: Path | None = None
    """Where finished videos wait; None is ``<out>.parts``. Removed at the end."""
    vectors: Path | None = None
    """GloVe text file for the words of resnet18-glove."""
    device: str = "cpu"
    skip_bad: bool = False
    force: bool = False
    workers: int = 1
    """Ray workers; 1 without an address needs no Ray."""
    address: str | None = None
    """Address of a Ray cluster; None starts Ray here."""


def extract(
    plan: ExtractPlan, *, say: Say | None = None, progress: Progress | None = None
) -> IngestReport:
    """Extract the features of every video that the questions ask about, and write the dataset.

    Args:
        plan: what to do.
        say: told each remark as it is made.
        progress: told (videos done, videos in all).

    Raises:
        DataError: a video or question is unusable (without ``skip_bad``), weights or libraries
            are missing, or the dataset cannot be written. Finished videos are kept.
    """
    say = say or _log.info
    PartialFolder(plan.out, force=plan.force)  # refuses an existing dataset before hours of work
    sources = gather(plan.questions, plan.skip_bad, say)
    files, missing = find_videos(plan.videos, sources.videos)
    left_out = [*sources.left_out, *missing]
    require_complete(left_out, plan.skip_bad)
    settings = plan.settings
    if not settings.untrained:
        settings = replace(settings, weights=weight_checksums(settings.encoders, plan.weights))
    parts = Parts(plan.parts or plan.out.with_name(f"{plan.out.name}.parts"), settings)
    encoders = _load(plan)  # refuses missing libraries and damaged weights before any work
    parts.create()
    waiting = {video: path for video, path in files.items() if not parts.has(video)}
    if len(waiting) < len(files):
        say(f"{len(files) - len(waiting)} of {len(files)} videos are done already")
    work = _here if plan.workers == 1 and plan.address is None else _with_ray
    outcomes = work(plan, _Worker(encoders, settings, parts), waiting)
    for done, (video, reason) in enumerate(outcomes, start=1):
        if reason is not None:
            left_out.append(LeftOut("video", video, reason, video=video))
        if progress is not None:
            progress(len(files) - len(waiting) + done, len(files))
    require_complete(left_out, plan.skip_bad)
    report = assemble(
        parts,
        settings,
        sources,
        left_out,
        out=plan.out,
        name=plan.name,
        encoders=encoders,
        vectors=plan.vectors,
        force=plan.force,
        say=say,
    )
    shutil.rmtree(parts.root, ignore_errors=True)
    return report


def _load(plan: ExtractPlan) -> FrozenEncoders:
    settings = plan.settings
    return load_encoders(
        settings.encoders,
        weights=plan.weights,
        device=plan.device,
        untrained=settings.untrained,
    )


Outcome = tuple[str, str | None]
"""A video, and why it could not be used."""


def _here(_plan: ExtractPlan, worker: _Worker, waiting: Mapping[str, Path]) -> Iterator[Outcome]:
    return (worker.run(video, path) for video, path in waiting.items())


class _Worker:
    """Makes one part after another; an actor when Ray is used."""

    def __init__(self, encoders: FrozenEncoders, settings: ExtractSettings, parts: Parts) -> None:
        self.settings = settings
        self.parts = parts
        self._encoders = encoders

    def run(self, video: str, path: Path) -> Outcome:
        """Make a video's part; return why it cannot be made, or None."""
        try:
            arrays = extract_video(path, self._encoders, self.settings)
        except DataError as error:
            return video, str(error)
        self.parts.write(video, arrays)
        return video, None


class _RemoteWorker(_Worker):
    """A worker that loads its own encoders, on its own node."""

    def __init__(self, plan: ExtractPlan, settings: ExtractSettings, parts: Parts) -> None:
        super().__init__(_load(plan), settings, parts)


def _with_ray(plan: ExtractPlan, worker: _Worker, waiting: Mapping[str, Path]) -> Iterator[Outcome]:
    """Hand every worker one video at a time; a dead worker is replaced and its video retried."""
    import ray
    from ray.exceptions import RayActorError, RayTaskError

    if not waiting:
        return
    _connect(plan.address)
    try:
        gpu = plan.device.startswith("cuda")
        # An actor that finds no room would keep its video for ever.
        room = int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
        if not room:
            raise DataError("Ray sees no GPU on any node; extract with --device cpu")
        if gpu:  # an actor sees the one that Ray gives it
            plan = replace(plan, device="cuda")
        kind = ray.remote(
            num_cpus=1,
            num_gpus=1 if gpu else 0,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )(_RemoteWorker)
        actors = [
            kind.remote(plan, worker.settings, worker.parts)
            for _ in range(min(plan.workers, len(waiting), room))
        ]
        queue = iter(waiting.items())
        running: dict[Any, Any] = {}

        def hand_out(actor: Any) -> None:
            following = next(queue, None)
            if following is not None:
                running[actor.run.remote(*following)] = actor

        for actor in actors:
            hand_out(actor)
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
            hand_out(actor)
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    # Ray writes its authentication token with the process's umask.
    umask = os.umask(0o077)
    try:
        if address is None:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=150 * 2**20,
                log_to_driver=False,
                logging_level="ERROR",
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DataError(f"--address {address}: {error}") from None
    finally:
        os.umask(umask)


def _as_ours(error: Any) -> Exception:
    cause = error.cause if isinstance(error.cause, TassError) else None
    return cause or DataError(f"a worker failed: {str(error)[-400:]}")
