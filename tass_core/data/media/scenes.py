"""``scenes.json``: what is to be seen and heard in a folder of rendered videos, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tass_core.data.folder.records import Truth
from tass_core.data.folder.truth import spread_truth
from tass_core.data.world.build import Video, scene_as_data, true_places
from tass_core.data.world.scene import Scene
from tass_core.errors import DataError
from tass_core.files import storage_errors, write_atomically

SCENES = "scenes.json"

BASE: Mapping[str, Any] = {
    "data.t2": 1,
    "data.batching": "video",
    "model.width": 128,
    "optimiser.batch_size": 32,
    "optimiser.epochs": 20,
    "optimiser.learning_rate": 5e-4,
    "optimiser.step_size": 14,
}
"""Config values that suit rendered videos: those of the world ``demo``, for longer."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """The contents of ``scenes.json``."""

    recipe: Mapping[str, Any]
    """Preset, seed and ingredients."""
    videos: Mapping[str, Mapping[str, Any]]
    """A scene as ``scene_as_data`` has it, with boxes and the truth of its questions, by id."""

    @property
    def seconds(self) -> int:
        """T1 of every video."""
        return int(next(iter(self.videos.values()))["seconds"])

    def truth(self, video: str, question: int, grid: tuple[int, int]) -> Truth:
        """Return where and when the answer to a question is found: [1, T1, P] and [1, T1].

        Args:
            video: a video's id.
            question: a question's id.
            grid: rows and columns wanted; a whole multiple of the world's.

        Raises:
            DataError: the question is not in the file, or the grid is none.
        """
        scene = self.videos.get(video, {})
        found = scene.get("truth", {}).get(str(question))
        if found is None:
            raise DataError(
                f"{SCENES}: knows no question {question} of video '{video}'; give the question "
                "files that were rendered with the videos"
            )
        rows, columns = scene["grid"]
        regions = np.zeros((1, scene["seconds"], rows * columns), np.bool_)
        for second, cells in enumerate(found["regions"]):
            regions[0, second, cells] = True
        truth = Truth(regions, np.array([found["seconds"]], np.bool_))
        return spread_truth(truth, (rows, columns), grid[0] * grid[1])


def read_scenes(folder: Path) -> Scenes | None:
    """Return the scenes of a folder of videos; None where they are not rendered.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / SCENES
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Scenes(values["recipe"], {item["video_id"]: item for item in values["videos"]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({str(error)[:100]}); render the videos again") from None


def write_scenes(folder: Path, scenes: Scenes) -> None:
    """Write ``scenes.json``.

    Raises:
        DataError: it cannot be written.
    """
    path = folder / SCENES
    values = {"recipe": scenes.recipe, "videos": list(scenes.videos.values())}
    with storage_errors(path), write_atomically(path) as partial:
        partial.write_text(json.dumps(values), encoding="utf-8")


def describe_video(video: Video) -> dict[str, Any]:
    """Return a video's scene, the boxes of its instruments and the truth of its questions."""
    scene = video.scene
    found = scene_as_data(video)
    for source, data in zip(scene.sources, found["sources"], strict=True):
        data["boxes"] = _boxes(scene, data) if source.visible else []
    asked = [question for split in video.questions.values() for question in split]
    truths = true_places(scene, asked)
    found["truth"] = {
        str(question.record.question_id): {
            "regions": [np.flatnonzero(cells).tolist() for cells in regions],
            "seconds": seconds.astype(int).tolist(),
        }
        for question, (regions, seconds) in zip(asked, truths, strict=True)
    }
    return found


def _boxes(scene: Scene, source: Mapping[str, Any]) -> list[list[float]]:
    """Return [left, top, right, bottom] in the middle of every second, as shares of the frame."""
    rows, columns = scene.grid
    shares = np.linspace(-0.5, 0.5, scene.seconds)
    middle = (source["x"] + shares * source["drift"]) / columns
    across, down = source["width"] / columns / 2, source["height"] / rows / 2
    y = source["y"] / rows
    edges = np.stack([middle - across, np.full_like(middle, y - down)], axis=1)
    ends = np.stack([middle + across, np.full_like(middle, y + down)], axis=1)
    found: list[list[float]] = np.concatenate([edges, ends], axis=1).round(4).tolist()
    return found


def in_order(scenes: Scenes, videos: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the scenes of some videos, without the truth of their questions."""
    return [
        {name: value for name, value in scenes.videos[video].items() if name != "truth"}
        for video in videos
    ]
