"""Extracting the features of many videos: any way to map over them, stopped at any time.

Every video's features are a file of their own until all are there; a run that was stopped
continues with the videos that have none.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from tass_core.data.extract.encoders import (
    ARRAYS,
    LITE,
    RESNET,
    FrozenEncoders,
    load_encoders,
    weight_checksums,
)
from tass_core.data.extract.lite import WEIGHTS
from tass_core.data.extract.parts import ExtractSettings, Parts, extract_video, find_videos
from tass_core.data.folder.description import Description
from tass_core.data.ingest.assemble import IngestReport, VideoFeatures, write_dataset
from tass_core.data.ingest.sources import Account, LeftOut, Progress, Say, gather
from tass_core.data.ingest.text import TextPlan
from tass_core.data.media.ingredients import INGREDIENTS
from tass_core.data.media.scenes import BASE, Scenes, read_scenes
from tass_core.errors import DataError
from tass_core.files import PartialFolder

Job = tuple[str, Path]
"""A video and its file."""
Outcome = tuple[str, str | None]
"""A video, and why it could not be used."""

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


@dataclass(frozen=True)
class PartMaker:
    """Makes one video's part after another; its copies load their own encoders."""

    settings: ExtractSettings
    parts: Parts
    weights: Path | None
    device: str

    @cached_property
    def encoders(self) -> FrozenEncoders:
        """The encoders, loaded when first wanted."""
        return load_encoders(
            self.settings.encoders,
            weights=self.weights,
            device=self.device,
            untrained=self.settings.untrained,
        )

    def __call__(self, job: Job) -> Outcome:
        """Make a video's part; return why it cannot be made, or None.

        Raises:
            DataError: the encoders cannot be loaded, or the part cannot be written.
        """
        video, path = job
        encoders = self.encoders
        try:
            arrays = extract_video(path, encoders, self.settings)
        except DataError as error:
            return video, str(error)
        self.parts.write(video, arrays)
        return video, None


Run = Callable[[PartMaker, Sequence[Job]], Iterable[Outcome]]
"""Calls the maker with every job, as ``map`` does; in any order, anywhere."""


def extract(
    plan: ExtractPlan, run: Run = map, *, say: Say = _log.info, progress: Progress | None = None
) -> IngestReport:
    """Extract the features of every video that the questions ask about, and write the dataset.

    Args:
        plan: what to do.
        run: how to map over the videos; ``jobs.extract.RayMap`` does it on many machines.
        say: told each remark as it is made.
        progress: told (videos done, videos in all).

    Raises:
        DataError: a video or question is unusable (without ``skip_bad``), weights or libraries
            are missing, or the dataset cannot be written. Finished videos are kept.
    """
    PartialFolder(plan.out, force=plan.force)  # refuses an existing dataset before hours of work
    scenes = read_scenes(plan.videos)
    if scenes is not None and plan.settings.seconds != scenes.seconds:
        raise DataError(f"{plan.videos}: rendered videos of {scenes.seconds} s: --seconds says so")
    account = Account(plan.skip_bad)
    sources = gather(plan.questions, account, say)
    files, missing = find_videos(plan.videos, sources.videos)
    account.add(missing)
    make = _maker(plan)
    waiting = [(video, path) for video, path in files.items() if not make.parts.has(video)]
    finished = len(files) - len(waiting)
    if finished:
        say(f"{finished} of {len(files)} videos are done already")
    failed = []
    for done, (video, reason) in enumerate(run(make, waiting), start=finished + 1):
        if reason is not None:
            failed.append(LeftOut("video", video, reason))
        if progress is not None:
            progress(done, len(files))
    account.add(failed)
    videos = [video for video in sources.videos if video not in account.videos]
    if not videos:
        raise DataError(f"{plan.out}: not one video could be used, so there is no dataset to write")
    report = write_dataset(
        plan.out,
        _describe(plan, make.settings, len(videos), scenes),
        _read_parts(make, videos),
        sources,
        _text_plan(plan, make),
        account,
        force=plan.force,
        say=say,
        scenes=scenes,
    )
    shutil.rmtree(make.parts.root, ignore_errors=True)
    return report


def _maker(plan: ExtractPlan) -> PartMaker:
    """Return the maker; missing libraries and damaged weights are refused before any work."""
    settings = plan.settings
    if not settings.untrained:
        settings = replace(settings, weights=weight_checksums(settings.encoders, plan.weights))
    parts = Parts(plan.parts or plan.out.with_name(f"{plan.out.name}.parts"), settings)
    make = PartMaker(settings, parts, plan.weights, plan.device)
    make.encoders  # noqa: B018 - loads them
    parts.create()
    return make


def _describe(
    plan: ExtractPlan, settings: ExtractSettings, videos: int, scenes: Scenes | None
) -> Description:
    encoded_by = (
        {name: INGREDIENTS[name].facts for name in WEIGHTS} if LITE in settings.encoders else {}
    )
    meaningless = " through untrained encoders: the features mean nothing" * settings.untrained
    return Description(
        name=plan.name,
        provenance="videos" if scenes is None else "rendered",
        description=f"{videos} videos{meaningless}",
        videos=videos,
        segments=settings.seconds,
        stored_t2=settings.store_t2,
        encoders={name: ARRAYS[name] for name in settings.encoders},
        base={} if scenes is None else BASE,
        notes=asdict(settings)
        | {"encoders": list(settings.encoders)}
        | ({} if scenes is None else {"recipe": scenes.recipe})
        | ({"encoded by": encoded_by} if encoded_by else {}),
    )


def _read_parts(make: PartMaker, videos: Sequence[str]) -> Iterator[VideoFeatures]:
    for video in videos:
        part = make.parts.read(video)
        maps = {name: part[f"{name}/visual"] for name in make.settings.encoders}
        facts = {"seconds": int(part["seconds"]), "has_sound": bool(part["has_sound"])}
        yield VideoFeatures(video, part["audio"], maps, facts)


def _text_plan(plan: ExtractPlan, make: PartMaker) -> TextPlan:
    names = make.settings.encoders
    return TextPlan(
        encoders=make.encoders.text,
        tokens=(RESNET,) if RESNET in names else (),
        vectors=plan.vectors,
    )
