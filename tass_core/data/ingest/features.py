"""Feature folders of the public code, one ``.npy`` to a video, made into a dataset."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tass_core.config import Pooling
from tass_core.data.folder.columns import to_half
from tass_core.data.folder.description import AUDIO_WIDTH, Description, EncoderArrays
from tass_core.data.folder.pooling import pool_segments
from tass_core.data.ingest.assemble import IngestReport, VideoFeatures, fit_length, write_dataset
from tass_core.data.ingest.npy import MapShape, arrange, read_array, read_header, recognise
from tass_core.data.ingest.sources import Account, LeftOut, Progress, Say, Sources, gather
from tass_core.data.ingest.text import TextPlan
from tass_core.errors import DataError
from tass_core.files import PartialFolder

Made = TypeVar("Made")

SECONDS = 60
"""Length of MUSIC-AVQA's videos; ten segments are ten times six of its seconds."""
POOLED = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """What to read and where to write it."""

    questions: Mapping[str, Path]
    """Question file by split."""
    audio: Path
    """Folder of ``<video>.npy``, [T, 128]."""
    visual: Mapping[str, Path]
    """Folder of ``<video>.npy`` by encoder; the layouts of ``tass_core.data.ingest.npy``."""
    out: Path
    name: str
    text: TextPlan
    store_t2: int = 1
    """Pool over this many segments on the way in, by mean: smaller on disk by as much."""
    stored_pooling: Pooling = "mean"
    """How features that come with ten segments were pooled by who made them."""
    skip_bad: bool = False
    """Leave out what cannot be used, and list it in ``left-out.csv`` of the dataset."""
    force: bool = False
    threads: int = 4


def ingest(
    plan: IngestPlan, *, say: Say = _log.info, progress: Progress | None = None
) -> IngestReport:
    """Read feature folders and question files, and write a dataset in one pass.

    Memory does not grow with the number of videos. An exception leaves neither a new dataset
    nor a changed one.

    Args:
        plan: what to read and where to write.
        say: told each remark as it is made.
        progress: told (videos done, videos in all).

    Raises:
        DataError: a file is unusable (without ``skip_bad``), nothing is left, or the dataset
            cannot be written.
    """
    PartialFolder(plan.out, force=plan.force)  # refuses an existing dataset before any work
    account = Account(plan.skip_bad)
    sources = gather(plan.questions, account, say)
    headers = _read_headers(plan, sources)
    layout = _layout(plan, headers, say)
    account.add(_unfit(plan, headers, layout))
    videos = [name for name in sources.videos if name not in account.videos]
    if not videos:
        raise DataError(f"{plan.audio}: none of the {len(sources.videos)} videos can be used")
    _remark_lengths(headers, layout, videos, say)
    description = Description(
        name=plan.name,
        provenance="features",
        description=f"{len(videos)} videos from feature files",
        videos=len(videos),
        segments=layout.segments,
        stored_t2=layout.stored_t2 * plan.store_t2,
        stored_pooling=plan.stored_pooling if layout.stored_t2 > 1 else "mean",
        encoders={
            name: EncoderArrays(grid=shape.grid, visual=shape.channels)
            for name, shape in layout.shapes.items()
        },
    )

    def read(pool: Executor) -> Iterator[VideoFeatures]:
        one = partial(_read_video, plan, layout)
        for done, video in enumerate(_read_ahead(pool, one, videos, plan.threads), start=1):
            if isinstance(video, LeftOut):
                account.add([video])
            else:
                yield video
            if progress is not None:
                progress(done, len(videos))

    with ThreadPoolExecutor(plan.threads) as pool:
        found = read(pool)
        return write_dataset(
            plan.out, description, found, sources, plan.text, account, force=plan.force, say=say
        )


Header = tuple[tuple[int, ...], Any] | DataError
"""A file's shape and type, or what is wrong with it."""
Headers = Mapping[str, Mapping[str, Header]]
"""By folder (``audio``, an encoder) and video."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the files' arrays become the dataset's."""

    shapes: Mapping[str, MapShape]
    """By encoder."""
    lengths: Mapping[str, int]
    """Segments of a file by folder, once repeated or cut."""
    segments: int
    """T1."""

    @property
    def stored_t2(self) -> int:
        """Seconds in a segment of the pictures."""
        return self.segments // max(self.lengths[name] for name in self.shapes)


def _folders(plan: IngestPlan) -> dict[str, Path]:
    return {"audio": plan.audio, **plan.visual}


def _read_headers(plan: IngestPlan, sources: Sources) -> Headers:
    """Read the shape of every file that is wanted, by folder and video."""
    for name, folder in _folders(plan).items():
        if not folder.is_dir():
            raise DataError(f"{folder} ({name}): no such folder; it holds one <video>.npy a video")

    def read(path: Path) -> Header:
        try:
            return read_header(path)
        except DataError as error:
            return DataError(f"{path}: {error}")

    found: dict[str, dict[str, Header]] = {}
    with ThreadPoolExecutor(plan.threads) as pool:
        for name, folder in _folders(plan).items():
            paths = [folder / f"{video}.npy" for video in sources.videos]
            found[name] = dict(zip(sources.videos, pool.map(read, paths), strict=True))
            if all(isinstance(header, DataError) for header in found[name].values()):
                first = next(iter(found[name].values()))
                raise DataError(
                    f"{folder} ({name}): not one of the {len(paths)} videos of the question "
                    f"files has a usable file here; for instance {first}"
                )
    return found


def _shapes(headers: Mapping[str, Header]) -> list[tuple[int, ...]]:
    return [header[0] for header in headers.values() if not isinstance(header, DataError)]


def _layout(plan: IngestPlan, headers: Headers, say: Say) -> _Layout:
    """Settle the maps' axes, T1 and the pooling the files already have, by what most files say."""
    shapes = _recognise_shapes(plan, headers, say)
    lengths = {
        name: _usual_length([shape[0] for shape in _shapes(found) if shape])
        for name, found in headers.items()
    }
    visual = {name: lengths[name] for name in plan.visual}
    if len(set(visual.values())) > 1:
        raise DataError(
            f"the encoders' files have different numbers of segments, {visual}; one dataset has "
            "one number: ingest them as two datasets"
        )
    layout = _Layout(shapes, lengths, _whole_length(plan, lengths["audio"], max(visual.values())))
    _check_pooling(plan, layout, say)
    return layout


def _recognise_shapes(plan: IngestPlan, headers: Headers, say: Say) -> dict[str, MapShape]:
    """Recognise each encoder's maps by the most frequent shape of its files."""
    found = {}
    for name, folder in plan.visual.items():
        (shape, count), *_rest = Counter(s[1:] for s in _shapes(headers[name])).most_common()
        try:
            found[name] = recognise((1, *shape))
        except DataError as error:
            raise DataError(f"{folder} ({name}): {error}") from None
        kinds = Counter(str(h[1]) for h in headers[name].values() if not isinstance(h, DataError))
        say(f"{name}: {found[name]}, {', '.join(sorted(kinds))}, in {count} files of {folder}")
    return found


def _whole_length(plan: IngestPlan, audio: int, visual: int) -> int:
    """Return T1, given how many segments of sound and of picture the files have."""
    segments = SECONDS if visual == POOLED and audio in (POOLED, SECONDS) else visual
    if audio > visual and audio % visual == 0:
        segments = audio
    if audio not in (visual, segments):
        raise DataError(
            f"{plan.audio}: {audio} segments of sound do not fit {visual} of picture; "
            "allowed: as many, or a multiple"
        )
    return segments


def _check_pooling(plan: IngestPlan, layout: _Layout, say: Say) -> None:
    audio, stored = layout.lengths["audio"], layout.segments // layout.stored_t2
    say(f"{audio} segments of sound and {stored} of picture: T1 = {layout.segments}")
    if layout.stored_t2 > 1:
        say(
            f"the pictures come pooled over T2 = {layout.stored_t2} ({plan.stored_pooling}); "
            f"the sound is pooled alike, and T2 is a multiple of {layout.stored_t2} here"
        )
    if stored % plan.store_t2:
        raise DataError(f"--store-t2 {plan.store_t2} does not divide the {stored} segments")
    if plan.store_t2 > 1 and layout.stored_t2 > 1 and plan.stored_pooling != "mean":
        raise DataError("--store-t2 takes means, but the files are pooled by stride: leave it out")


def _usual_length(lengths: Sequence[int]) -> int:
    """Return the most frequent length; of equally frequent ones MUSIC-AVQA's own."""
    counts = Counter(lengths)
    if not counts:
        raise DataError("every array of a folder is a single number; [T, ...] is expected")
    return max(counts, key=lambda n: (counts[n], n == SECONDS, n == POOLED, n))


def _unfit(plan: IngestPlan, headers: Headers, layout: _Layout) -> Iterator[LeftOut]:
    """Yield every video one of whose files cannot be used, by its shape alone."""
    for video in headers["audio"]:
        for name, folder in _folders(plan).items():
            header = headers[name][video]
            if isinstance(header, DataError):
                yield LeftOut("video", video, str(header))
                break
            if wrong := _wrong_shape(name, header[0], layout):
                yield LeftOut("video", video, f"{folder / video}.npy: {wrong}")
                break


def _wrong_shape(name: str, shape: tuple[int, ...], layout: _Layout) -> str | None:
    if name == "audio":
        fits = len(shape) == 2 and shape[1] == AUDIO_WIDTH
        wanted = f"[T, {AUDIO_WIDTH}]"
    else:
        try:
            fits = recognise(shape) == layout.shapes[name]
        except DataError:
            fits = False
        wanted = f"{layout.shapes[name]}"
    expected = layout.lengths[name]
    if not fits or not shape[0]:
        return f"shape {list(shape)} where the others have {wanted}"
    if expected < layout.segments and shape[0] != expected:
        return f"{shape[0]} segments where {expected} pooled ones are expected"
    return None


def _remark_lengths(headers: Headers, layout: _Layout, videos: Sequence[str], say: Say) -> None:
    for name, found in headers.items():
        expected = layout.lengths[name]
        lengths = [shape[0] for shape in _shapes({video: found[video] for video in videos})]
        shorter = sum(length < expected for length in lengths)
        longer = sum(length > expected for length in lengths)
        if shorter:
            say(f"{name}: {shorter} videos are shorter than {expected}; their last is repeated")
        if longer:
            say(f"{name}: {longer} videos are longer than {expected}; the rest is cut off")


def _read_ahead(
    pool: Executor, read: Callable[[str], Made], videos: Sequence[str], ahead: int
) -> Iterator[Made]:
    """Yield what was read in order, a few videos ahead of their use; that bounds the memory."""
    waiting: deque[Future[Made]] = deque()
    for video in videos:
        waiting.append(pool.submit(read, video))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read_video(plan: IngestPlan, layout: _Layout, video: str) -> VideoFeatures | LeftOut:
    path = plan.audio / f"{video}.npy"
    try:
        sound = read_array(path)
        audio = fit_length(to_half(sound), layout.lengths["audio"])
        maps = {}
        for name, folder in plan.visual.items():
            path = folder / f"{video}.npy"
            found = arrange(read_array(path), layout.shapes[name])
            maps[name] = fit_length(found, layout.lengths[name])
    except DataError as error:
        return LeftOut("video", video, f"{path}: {error}")
    # The sound is first pooled as the pictures were by who made them.
    t2 = len(audio) * layout.stored_t2 // layout.segments
    audio = pool_segments(audio[None], t2, plan.stored_pooling)[0]
    pooled = {name: pool_segments(m[None], plan.store_t2, "mean")[0] for name, m in maps.items()}
    audio = pool_segments(audio[None], plan.store_t2, "mean")[0]
    return VideoFeatures(video, audio, pooled, {"file_segments": len(sound)})
