"""Features of single videos on their way to a dataset: made once, kept until all are there."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.config import digest
from tass_core.data.extract.decode import decode_video
from tass_core.data.extract.encoders import CLIP, LITE, FrozenEncoders
from tass_core.data.folder.pooling import pool_segments
from tass_core.data.ingest.assemble import fit_length
from tass_core.data.ingest.sources import LeftOut
from tass_core.errors import DataError
from tass_core.files import storage_errors, write_atomically

ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".flv", ".m4v", ".mpg", ".mpeg", ".ts")

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """What decides the features of a video.

    Raises:
        DataError: the encoders do not go together.
    """

    encoders: tuple[str, ...] = (CLIP,)
    """Of ``clip`` and ``resnet18-glove``, or ``lite`` alone."""
    seconds: int = 60
    """T1; shorter videos repeat their last second, longer ones are cut."""
    fps: int = 1
    """Pictures a second, averaged."""
    store_t2: int = 1
    """Seconds in a stored segment, by mean."""
    untrained: bool = False
    """Random weights: for trying out."""
    weights: tuple[str, ...] = ()
    """SHA-256 of the weights' files, so that parts of other weights are not taken for these."""

    def __post_init__(self) -> None:
        if LITE in self.encoders and len(self.encoders) > 1:
            others = ", ".join(name for name in self.encoders if name != LITE)
            raise DataError(f"encoder {LITE} has a sound of its own: give it without {others}")
        if LITE in self.encoders and self.untrained:
            raise DataError(f"the weights of {LITE} come in packages: give it without --untrained")


class Parts:
    """A folder with one file a video, each whole or not there.

    Args:
        folder: where to keep them; other settings use other subfolders.
        settings: what decides their contents.
    """

    def __init__(self, folder: Path, settings: ExtractSettings) -> None:
        self.root = folder
        self.folder = folder / digest(asdict(settings))[:12]

    def create(self) -> None:
        """Make the folder.

        Raises:
            DataError: it cannot be made.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def has(self, video: str) -> bool:
        """Whether a video's features are there."""
        return self._path(video).is_file()

    def write(self, video: str, arrays: Mapping[str, Array]) -> None:
        """Keep a video's features.

        Raises:
            DataError: they cannot be written.
        """
        path = self._path(video)
        renamed: dict[str, Any] = {n.replace("/", "|"): a for n, a in arrays.items()}
        with (
            storage_errors(path),
            write_atomically(path) as partial,
            partial.open("wb") as file,
        ):
            np.savez(file, **renamed)

    def read(self, video: str) -> dict[str, Array]:
        """Return a video's features.

        Raises:
            DataError: they are not there or damaged; the damaged file is removed, so that the
                next run makes it again.
        """
        path = self._path(video)
        try:
            with np.load(path, allow_pickle=False) as found:
                return {name.replace("|", "/"): found[name] for name in found.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            path.unlink(missing_ok=True)
            raise DataError(
                f"{path}: damaged ({str(error)[:100]}) and removed; run the same command again"
            ) from None

    def _path(self, video: str) -> Path:
        return self.folder / f"{video}.npz"


def find_videos(folder: Path, wanted: Sequence[str]) -> tuple[dict[str, Path], list[LeftOut]]:
    """Return the file of each wanted video, and those that have none.

    Raises:
        DataError: the folder is not there.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it holds one <video>.mp4 (or alike) a video")
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS}
    missing = [
        LeftOut("video", name, f"{folder}: no file {name}.mp4 (or alike)")
        for name in wanted
        if name not in files
    ]
    return {name: files[name] for name in wanted if name in files}, missing


def extract_video(
    path: Path, encoders: FrozenEncoders, settings: ExtractSettings
) -> dict[str, Array]:
    """Return a video's features as they are stored.

    Returns:
        ``audio`` [T, 128] and ``<encoder>/visual`` [T, P, C] as float16, ``seconds`` and
        ``has_sound`` as single numbers; T = seconds / store_t2.

    Raises:
        DataError: the video cannot be decoded.
    """
    decoded = decode_video(path, seconds=settings.seconds, fps=settings.fps, sizes=encoders.sizes)
    arrays: dict[str, Array] = {"audio": encoders.audio(decoded.sound).astype(np.float16)}
    for name, maps in encoders.maps(decoded.frames, settings.fps).items():
        arrays[f"{name}/visual"] = maps
    stored = {
        name: pool_segments(fit_length(array, settings.seconds)[None], settings.store_t2, "mean")[0]
        for name, array in arrays.items()
    }
    facts = {"seconds": np.array(decoded.seconds), "has_sound": np.array(decoded.has_sound)}
    return stored | facts
