"""Real video files and real encoders, made on the spot; tests are skipped where they cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tass_core.data.extract.encoders import FrozenEncoders, load_encoders
from tass_core.data.extract.extra import need
from tass_core.errors import DataError

av = pytest.importorskip("av", reason="the extra [extract] is not installed")

RATE, FPS = 44_100, 10


def make_video(path: Path, seconds: float = 6.0, *, sound: bool = True, late: float = 0.0) -> Path:
    """Second s is grey 20 * s; it beeps (440 Hz) in the odd seconds; the picture may come late."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=FPS)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for number in range(round(seconds * FPS)):
            grey = np.full((64, 96, 3), 20 * (number // FPS), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = number + round(late * FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None:
            wave = beeps(seconds + late)
            for start in range(0, len(wave), 1024):
                piece = wave[None, start : start + 1024]
                block = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                block.sample_rate, block.pts = RATE, start
                container.mux(track.encode(block))
            container.mux(track.encode(None))
    return path


def beeps(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * 440 * time) * (time.astype(int) % 2)).astype(np.float32)


def untrained(*names: str) -> FrozenEncoders:
    """The real architectures with random weights."""
    for module in {"clip": "open_clip", "resnet18-glove": "torchvision.models"}[names[0]], "av":
        try:
            need(module)
        except DataError as error:
            pytest.skip(str(error))
    return load_encoders(names, weights=None, untrained=True)
