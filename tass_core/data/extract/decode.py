"""Sound and pictures of a video file, aligned second by second, decoded with PyAV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.data.extract.extra import need
from tass_core.errors import DataError

SAMPLE_RATE = 16_000
_SLACK = 1.5
"""Seconds by which a file may end before the length it states."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A video, S seconds long as far as it is wanted."""

    sound: npt.NDArray[np.float32]
    """[S * 16000] mono, zero where there is none."""
    frames: dict[int, npt.NDArray[np.uint8]]
    """[S * fps, size, size, 3] RGB by size; each the picture shown in the middle of its
    interval, the whole of it squeezed to a square, so that nothing on the stage's edge is lost."""
    has_sound: bool
    """Whether the file has an audio track."""

    @property
    def seconds(self) -> int:
        """S, at least 1."""
        return len(self.sound) // SAMPLE_RATE


def decode_video(path: Path, *, seconds: int, fps: int, sizes: tuple[int, ...]) -> Decoded:
    """Decode the first seconds of a video.

    Args:
        path: the file.
        seconds: how much is wanted; a shorter video gives less.
        fps: pictures a second.
        sizes: side lengths of the square pictures.

    Raises:
        DataError: the file is missing, no video, has no picture, or is cut short.
    """
    av = need("av")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path}: has no picture track")
            return _decode(av, container, path, seconds, fps, sizes)
    except FileNotFoundError:
        raise DataError(f"{path}: the file is missing") from None
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be decoded as a video ({str(error)[:150]})") from None


def _decode(
    av: Any, container: Any, path: Path, seconds: int, fps: int, sizes: tuple[int, ...]
) -> Decoded:
    picture = container.streams.video[0]
    sound = container.streams.audio[0] if container.streams.audio else None
    picture.thread_type = "AUTO"
    start = _start(picture, sound)
    pictures = _Pictures(seconds * fps, fps, sizes)
    track = _Sound(av, seconds)
    streams = [stream for stream in (picture, sound) if stream is not None]
    for frame in container.decode(*streams):
        at = float(frame.time or 0.0) - start
        if isinstance(frame, av.VideoFrame):
            pictures.add(frame, at)
        else:
            track.add(frame, at)
        if pictures.full and (sound is None or track.full):
            break
    stated = _stated_length(av, container, picture)
    kept = pictures.finish(_frame_length(picture))
    if not kept:
        raise DataError(f"{path}: not one picture could be decoded")
    if kept < seconds and pictures.end < min(stated, seconds) - _SLACK:
        raise DataError(
            f"{path}: the picture ends at {pictures.end:.1f} s of {stated:.1f} s; "
            "the file is cut short: fetch it again"
        )
    frames = {size: np.stack(images[: kept * fps]) for size, images in pictures.images.items()}
    return Decoded(track.finish(kept), frames, has_sound=sound is not None)


def _start(*streams: Any) -> float:
    """Return when the earliest track begins; both are timed from there."""
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in streams
        if stream is not None and stream.start_time is not None
    ]
    return min(starts, default=0.0)


def _stated_length(av: Any, container: Any, picture: Any) -> float:
    """Return the seconds the file says it has; of a cut file some formats guess from its size."""
    whole = container.duration / av.time_base if container.duration else 0.0
    return max(whole, (picture.frames or 0) * _frame_length(picture))


def _frame_length(picture: Any) -> float:
    rate = picture.average_rate or picture.guessed_rate
    return float(1 / rate) if rate else 0.0


class _Pictures:
    """Keeps, of the pictures passing by, the one shown at each wanted moment."""

    def __init__(self, count: int, fps: int, sizes: tuple[int, ...]) -> None:
        self.images: dict[int, list[npt.NDArray[np.uint8]]] = {size: [] for size in sizes}
        self.end = 0.0
        self._moments = [(place + 0.5) / fps for place in range(count)]
        self._fps = fps
        self._taken = 0
        self._shown: Any = None

    @property
    def full(self) -> bool:
        return self._taken == len(self._moments)

    def add(self, frame: Any, at: float) -> None:
        self._take_until(at)
        self._shown = frame
        self.end = at

    def finish(self, frame_length: float) -> int:
        """Take what the last picture still covers and return the whole seconds that are there."""
        self.end += frame_length
        if self._shown is not None:
            self._take_until(self.end)
            whole = -(-self._taken // self._fps)
            while self._taken < max(1, whole) * self._fps:
                self._take()
        return self._taken // self._fps

    def _take_until(self, at: float) -> None:
        while not self.full and self._moments[self._taken] < at:
            if self._shown is None:
                return
            self._take()

    def _take(self) -> None:
        for size, images in self.images.items():
            images.append(_square(self._shown, size))
        self._taken += 1


def _square(frame: Any, size: int) -> npt.NDArray[np.uint8]:
    image = need("PIL.Image")
    picture = frame.to_image()
    rotation = getattr(frame, "rotation", 0)
    if rotation:
        picture = picture.rotate(rotation, expand=True)
    resized = picture.resize((size, size), image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.uint8)


class _Sound:
    """Gathers resampled sound at the places its timestamps give."""

    def __init__(self, av: Any, seconds: int) -> None:
        self._samples = np.zeros(seconds * SAMPLE_RATE, dtype=np.float32)
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._next: int | None = None

    @property
    def full(self) -> bool:
        return self._next is not None and self._next >= len(self._samples)

    def add(self, frame: Any, at: float) -> None:
        if self._next is None:
            self._next = round(at * SAMPLE_RATE)
        for piece in self._resampler.resample(frame):
            self._place(piece.to_ndarray().reshape(-1))

    def finish(self, seconds: int) -> npt.NDArray[np.float32]:
        for piece in self._resampler.resample(None) if self._next is not None else ():
            self._place(piece.to_ndarray().reshape(-1))
        return self._samples[: seconds * SAMPLE_RATE]

    def _place(self, piece: npt.NDArray[np.float32]) -> None:
        assert self._next is not None
        begin, end = max(self._next, 0), min(self._next + len(piece), len(self._samples))
        if begin < end:
            self._samples[begin:end] = piece[begin - self._next : end - self._next]
        self._next += len(piece)
