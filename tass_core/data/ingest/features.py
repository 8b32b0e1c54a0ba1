"""Feature folders of the public code, one ``.npy`` to a video, made into a dataset."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.config import Pooling
from tass_core.data.folder.columns import to_half
from tass_core.data.folder.description import AUDIO_WIDTH, Description, EncoderArrays
from tass_core.data.folder.pooling import pool_segments
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.ingest.npy import (
    MapLayout,
    arrange,
    read_array,
    read_header,
    recognise,
)
from tass_core.data.ingest.sources import LeftOut, Sources, gather, require_complete
from tass_core.data.ingest.text import TextPlan, add_questions
from tass_core.errors import DataError
from tass_core.files import PartialFolder

Array = npt.NDArray[Any]
Say = Callable[[str], None]
Progress = Callable[[int, int], None]

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


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did."""

    videos: int
    questions: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    said: tuple[str, ...]
    """Everything that was recognised, put right or left out, in words."""


@dataclass(frozen=True, slots=True)
class _Timing:
    """How the files' segments become the dataset's."""

    segments: int
    stored_t2: int
    """Seconds in a stored segment."""
    audio: int
    """Segments that an audio file has, once repeated or cut."""
    visual: Mapping[str, int]
    """Likewise of each encoder's files."""


def ingest(
    plan: IngestPlan, *, say: Say | None = None, progress: Progress | None = None
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
    said: list[str] = []

    def remark(text: str) -> None:
        said.append(text)
        (say or _log.info)(text)

    PartialFolder(plan.out, force=plan.force)  # refuses an existing dataset before any work
    sources = gather(plan.questions, plan.skip_bad, remark)
    headers = _read_headers(plan, sources)
    layouts = _recognise_layouts(plan, headers, remark)
    timing = _timing(plan, headers, remark)
    left_out = list(sources.left_out)
    left_out += _unfit(plan, headers, layouts, timing)
    require_complete(left_out, plan.skip_bad)
    dropped = {item.video for item in left_out if item.kind == "video"}
    videos = [name for name in sources.videos if name not in dropped]
    if not videos:
        raise DataError(f"{plan.audio}: none of the {len(sources.videos)} videos can be used")
    _remark_lengths(headers, timing, videos, remark)
    encoders = {
        name: EncoderArrays(grid=layout.grid, visual=layout.channels)
        for name, layout in layouts.items()
    }
    description = Description(
        name=plan.name,
        provenance="features",
        description=f"{len(videos)} videos from feature files",
        videos=len(videos),
        segments=timing.segments,
        stored_t2=timing.stored_t2 * plan.store_t2,
        stored_pooling=plan.stored_pooling if timing.stored_t2 > 1 else "mean",
        encoders=encoders,
        base=_base(plan, layouts, timing),
    )
    with DatasetWriter(plan.out, description, force=plan.force) as writer:
        rows: dict[str, int] = {}
        for done, (name, made) in enumerate(_read_videos(plan, videos, layouts, timing), start=1):
            if isinstance(made, DataError):
                left_out.append(LeftOut("video", name, str(made), video=name))
                require_complete(left_out, plan.skip_bad)
            else:
                audio, maps, seconds = made
                rows[name] = writer.add_video(name, audio, maps, {"file_segments": seconds})
            if progress is not None:
                progress(done, len(videos))
        counts = add_questions(writer, plan.text, sources.questions, rows, left_out, remark)
        if left_out:
            writer.attach("left-out.csv", left_out_table(left_out))
            remark(f"{len(left_out)} left out, listed in {plan.out / 'left-out.csv'}")
        writer.finish()
    return IngestReport(len(rows), counts, tuple(left_out), tuple(said))


def left_out_table(left_out: Sequence[LeftOut]) -> str:
    """Return what was left out, and why, as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["kind", "name", "reason"])
    table.writerows([item.kind, item.name, item.reason] for item in left_out)
    return text.getvalue()


Header = tuple[tuple[int, ...], Any] | DataError
Headers = Mapping[str, Mapping[str, Header]]


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


def _recognise_layouts(plan: IngestPlan, headers: Headers, say: Say) -> dict[str, MapLayout]:
    """Recognise each encoder's layout by the most frequent shape of its files."""
    layouts = {}
    for name, folder in plan.visual.items():
        (shape, count), *_rest = Counter(s[1:] for s in _shapes(headers[name])).most_common()
        try:
            layouts[name] = recognise((1, *shape))
        except DataError as error:
            raise DataError(f"{folder} ({name}): {error}") from None
        kinds = Counter(str(h[1]) for h in headers[name].values() if not isinstance(h, DataError))
        say(f"{name}: {layouts[name]}, {', '.join(sorted(kinds))}, in {count} files of {folder}")
    return layouts


def _timing(plan: IngestPlan, headers: Headers, say: Say) -> _Timing:
    """Settle T1 and the pooling the files already have, by their most frequent lengths."""
    lengths = {
        name: _usual_length([shape[0] for shape in _shapes(found) if shape])
        for name, found in headers.items()
    }
    visual = {name: length for name, length in lengths.items() if name != "audio"}
    stored = max(visual.values())
    if len(set(visual.values())) > 1:
        raise DataError(
            f"the encoders' files have different numbers of segments, {visual}; one dataset has "
            "one number: ingest them as two datasets"
        )
    segments = SECONDS if stored == POOLED and lengths["audio"] in (POOLED, SECONDS) else stored
    if lengths["audio"] > stored and lengths["audio"] % stored == 0:
        segments = lengths["audio"]
    if lengths["audio"] not in (stored, segments):
        raise DataError(
            f"{plan.audio}: {lengths['audio']} segments of sound do not fit {stored} of picture; "
            "allowed: as many, or a multiple"
        )
    timing = _Timing(segments, segments // stored, lengths["audio"], visual)
    say(f"{lengths['audio']} segments of sound and {stored} of picture: T1 = {segments}")
    if timing.stored_t2 > 1:
        say(
            f"the pictures come pooled over T2 = {timing.stored_t2} ({plan.stored_pooling}); "
            f"the sound is pooled alike, and T2 is a multiple of {timing.stored_t2} here"
        )
    if stored % plan.store_t2:
        raise DataError(f"--store-t2 {plan.store_t2} does not divide the {stored} segments")
    if plan.store_t2 > 1 and timing.stored_t2 > 1 and plan.stored_pooling != "mean":
        raise DataError("--store-t2 takes means, but the files are pooled by stride: leave it out")
    return timing


def _usual_length(lengths: Sequence[int]) -> int:
    """Return the most frequent length; of equally frequent ones MUSIC-AVQA's own."""
    counts = Counter(lengths)
    if not counts:
        raise DataError("every array of a folder is a single number; [T, ...] is expected")
    return max(counts, key=lambda n: (counts[n], n == SECONDS, n == POOLED, n))


def _unfit(
    plan: IngestPlan, headers: Headers, layouts: Mapping[str, MapLayout], timing: _Timing
) -> Iterator[LeftOut]:
    """Yield every video one of whose files cannot be used, by its shape alone."""
    for video in headers["audio"]:
        for name, folder in _folders(plan).items():
            header = headers[name][video]
            reason: str | None = None
            if isinstance(header, DataError):
                reason = str(header)
            elif wrong := _wrong_shape(name, header[0], layouts, timing):
                reason = f"{folder / video}.npy: {wrong}"
            if reason is not None:
                yield LeftOut("video", video, reason, video=video)
                break


def _wrong_shape(
    name: str, shape: tuple[int, ...], layouts: Mapping[str, MapLayout], timing: _Timing
) -> str | None:
    if name == "audio":
        fits = len(shape) == 2 and shape[1] == AUDIO_WIDTH
        wanted = f"[T, {AUDIO_WIDTH}]"
        pooled = timing.audio < timing.segments
    else:
        try:
            fits = recognise(shape) == layouts[name]
        except DataError:
            fits = False
        wanted = f"{layouts[name]}"
        pooled = timing.stored_t2 > 1
    expected = timing.audio if name == "audio" else timing.visual[name]
    if not fits or not shape[0]:
        return f"shape {list(shape)} where the others have {wanted}"
    if pooled and shape[0] != expected:
        return f"{shape[0]} segments where {expected} pooled ones are expected"
    return None


def _remark_lengths(headers: Headers, timing: _Timing, videos: Sequence[str], say: Say) -> None:
    for name, found in headers.items():
        expected = timing.audio if name == "audio" else timing.visual[name]
        lengths = [h[0][0] for h in (found[v] for v in videos) if not isinstance(h, DataError)]
        shorter = sum(length < expected for length in lengths)
        longer = sum(length > expected for length in lengths)
        if shorter:
            say(f"{name}: {shorter} videos are shorter than {expected}; their last is repeated")
        if longer:
            say(f"{name}: {longer} videos are longer than {expected}; the rest is cut off")


def _base(plan: IngestPlan, layouts: Mapping[str, MapLayout], timing: _Timing) -> dict[str, Any]:
    """Return the settings without which the paper's config could not run here."""
    base: dict[str, Any] = {}
    if "clip" not in layouts:
        base["model.encoder"] = next(iter(layouts))
    stored = timing.stored_t2 * plan.store_t2
    if timing.segments % 6 or 6 % stored:
        base["data.t2"] = stored
    if timing.stored_t2 > 1 and plan.stored_pooling != "mean":
        base["data.pooling"] = plan.stored_pooling
    return base


Video = tuple[Array, dict[str, Array], int]


def _read_videos(
    plan: IngestPlan,
    videos: Sequence[str],
    layouts: Mapping[str, MapLayout],
    timing: _Timing,
) -> Iterator[tuple[str, Video | DataError]]:
    """Yield the videos in order, a few read ahead by threads; the window bounds the memory."""

    def read(video: str) -> Video | DataError:
        try:
            return _read_video(plan, video, layouts, timing)
        except DataError as error:
            return error

    waiting: deque[tuple[str, Future[Video | DataError]]] = deque()
    with ThreadPoolExecutor(plan.threads) as pool:
        try:
            for video in videos:
                waiting.append((video, pool.submit(read, video)))
                if len(waiting) > plan.threads:
                    name, future = waiting.popleft()
                    yield name, future.result()
            while waiting:
                name, future = waiting.popleft()
                yield name, future.result()
        finally:
            for _name, future in waiting:
                future.cancel()


def _read_video(
    plan: IngestPlan, video: str, layouts: Mapping[str, MapLayout], timing: _Timing
) -> Video:
    path = plan.audio / f"{video}.npy"
    try:
        sound = read_array(path)
        seconds = len(sound)
        audio = fit_length(to_half(sound), timing.audio)
        audio = pool_segments(
            audio[None], timing.audio * timing.stored_t2 // timing.segments, plan.stored_pooling
        )[0]
        maps = {}
        for name, folder in plan.visual.items():
            path = folder / f"{video}.npy"
            maps[name] = fit_length(arrange(read_array(path), layouts[name]), timing.visual[name])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    pooled = {name: pool_segments(m[None], plan.store_t2, "mean")[0] for name, m in maps.items()}
    return pool_segments(audio[None], plan.store_t2, "mean")[0], pooled, seconds


def fit_length(array: Array, length: int) -> Array:
    """Return [length, ...]: the last segment repeated, or the rest cut off."""
    if len(array) >= length:
        return array[:length]
    return np.concatenate([array, np.repeat(array[-1:], length - len(array), axis=0)])
