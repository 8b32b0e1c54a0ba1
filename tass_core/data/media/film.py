"""Writing pictures and sound as an mp4 file: H.264 and AAC."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tass_core.data.extract.extra import need
from tass_core.data.media.music import RATE, Sound
from tass_core.data.media.stage import HEIGHT, WIDTH, Image

FPS = 6
"""Frames a second."""

_BLOCK = 1024
_H264 = {"threads": "1", "preset": "veryfast", "crf": "28", "x264-params": "mbtree=0"}
"""With macroblock trees the same pictures give other bytes every time."""


def write_film(path: Path, frames: Iterable[Image], sound: Sound | None, note: str) -> None:
    """Write a film.

    Args:
        path: the file to make.
        frames: FPS pictures a second.
        sound: RATE samples a second; None leaves the track out.
        note: what the file says about itself.
    """
    av = need("av", "render")
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = note
        picture = container.add_stream("h264", rate=FPS, options=_H264)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        track = None
        if sound is not None:
            track = container.add_stream("aac", rate=RATE, layout="mono")
        for frame in frames:
            image = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(picture.encode(image))
        container.mux(picture.encode(None))
        if track is not None and sound is not None:
            for start in range(0, len(sound), _BLOCK):
                piece = sound[None, start : start + _BLOCK]
                block = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                block.sample_rate, block.pts = RATE, start
                container.mux(track.encode(block))
            container.mux(track.encode(None))
