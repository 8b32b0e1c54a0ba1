"""What a trained network looked at when it answered one question, as plain arrays."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tass_core.batches.source import BatchSource
from tass_core.checkpoints import Checkpoint
from tass_core.data.extract.decode import decode_video
from tass_core.data.extract.parts import find_videos
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.description import SCENES
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.errors import ReportError

Weights = NDArray[np.float32]
Image = NDArray[Any]
"""[height, width, colours] as matplotlib shows it."""
FRAME = 448
"""Side of a frame taken from a video, in pixels."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument on the procedural stage, in cells."""

    name: str
    x: float
    y: float
    width: float
    height: float
    drift: float
    loudness: NDArray[np.float32]
    """[T1] by second; 0 is silence."""

    def centre(self, second: float) -> float:
        """Return the horizontal centre at a second of the video."""
        last = max(len(self.loudness) - 1, 1)
        return self.x + (second / last - 0.5) * self.drift


@dataclass(frozen=True, slots=True)
class Stage:
    """What can be seen of a procedural scene."""

    performance: tuple[Instrument, ...] = ()
    elsewhere: tuple[Instrument, ...] = ()
    """What cutaways show instead."""
    cut: NDArray[np.bool_] | None = None
    """[T1] the seconds of the cutaways; None without any."""

    def is_cut(self, first: int, last: int) -> bool:
        """Return whether a cutaway fills most of the seconds from ``first`` to before ``last``."""
        return self.cut is not None and bool(self.cut[first:last].mean() > 0.5)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One question, its answer, and the attention behind the answer."""

    question_id: int
    split: str
    kind: str
    """Question type, a key of the paper's columns."""
    question: str
    answer: str
    predicted: str
    probability: float
    """Softmax of the predicted answer."""
    video: str
    seconds: int
    """T1, seconds of the video."""
    segments: int
    """T, segments after pooling."""
    grid: tuple[int, int]
    spatial: Weights | None
    """[T, P] TSG+'s attention (Eq. 2); None without TSG+."""
    audio: Weights | None
    """[T] w_a (Eq. 19); None without JTG."""
    visual: Weights | None
    """[T] w_v (Eq. 18); None without JTG."""
    true_regions: NDArray[np.bool_] | None
    """[T, P] the target's regions; procedural datasets only."""
    true_segments: NDArray[np.bool_] | None
    """[T] the segments that decide the answer; procedural datasets only."""
    stage: Stage
    """What can be seen of a procedural scene; nothing for real videos."""
    origin: str
    """Dataset and provenance, in words."""

    def seconds_of(self, segment: int) -> tuple[int, int]:
        """Return the first second of a segment and the one after its last."""
        length = self.seconds // self.segments
        return segment * length, (segment + 1) * length


def explain(
    checkpoint: Checkpoint, dataset: Dataset, question_id: int, split: str | None = None
) -> Explanation:
    """Answer one question and keep what the network looked at.

    Args:
        checkpoint: a loaded checkpoint.
        dataset: the dataset it was trained on.
        question_id: the question.
        split: where to look for it; None searches test, val and train.

    Raises:
        ReportError: the dataset is another one, or has no such question.
        DataError: the checkpoint's config cannot run on the dataset.
    """
    _same_dataset(checkpoint, dataset)
    dataset.check(checkpoint.trial.config)
    split, row = _find(dataset, question_id, split)
    config = checkpoint.trial.config
    questions = dataset.questions(split).take(np.array([row]))
    source = BatchSource(questions, dataset.features(config), config)
    with torch.no_grad():
        _, batch = next(iter(source.evaluation()))
        output = checkpoint.model.eval()(batch)
    shares = output.logits[0].softmax(dim=-1)
    best = int(shares.argmax())
    shapes = dataset.shapes(config)
    truth = dataset.truth(split, segments=shapes.segments, regions=shapes.regions)
    video = int(questions.video[0])
    side = round(shapes.regions**0.5)
    return Explanation(
        question_id=question_id,
        split=split,
        kind=QUESTION_TYPES[int(questions.type[0])],
        question=str(dataset.question_table(split)["text"][row].as_py()),
        answer=checkpoint.answers[int(questions.answer[0])],
        predicted=checkpoint.answers[best],
        probability=float(shares[best]),
        video=dataset.video_ids[video],
        seconds=dataset.segments,
        segments=shapes.segments,
        grid=dataset.grid if np.prod(dataset.grid) == shapes.regions else (side, side),
        spatial=_first(output.spatial),
        audio=_first(output.temporal.get("audio")),
        visual=_first(output.temporal.get("visual")),
        true_regions=None if truth is None else truth.regions[row],
        true_segments=None if truth is None else truth.segments[row],
        stage=read_stage(dataset, video),
        origin=f"{dataset.name}, {dataset.origin}",
    )


def examples(dataset: Dataset, split: str = "test") -> Mapping[str, int]:
    """Return one question id for each question type that the split has."""
    questions = dataset.questions(split)
    return {
        name: int(questions.question_id[np.flatnonzero(questions.type == index)[0]])
        for index, name in enumerate(QUESTION_TYPES)
        if (questions.type == index).any()
    }


def read_stage(dataset: Dataset, video: int) -> Stage:
    """Return what can be seen of a procedural video; an empty stage where there is none."""
    path = dataset.folder / SCENES
    if not path.is_file():
        return Stage()
    scene = json.loads(gzip.decompress(path.read_bytes()))[video]
    cutaway = scene.get("cutaway")
    if cutaway is None:
        return Stage(_visible(scene))
    return Stage(_visible(scene), _visible(cutaway), np.array(cutaway["shown"], np.bool_))


def _visible(scene: Mapping[str, Any]) -> tuple[Instrument, ...]:
    return tuple(_instrument(source) for source in scene["sources"] if source["visible"])


def read_frames(folder: Path, explanation: Explanation) -> Sequence[Image]:
    """Return the middle frame of every segment, of ``<video id>.mp4`` or ``<video id>/*.png``.

    Raises:
        ReportError: the folder has neither for the video.
        DataError: the video cannot be decoded.
    """
    middles = [sum(explanation.seconds_of(t)) // 2 for t in range(explanation.segments)]
    videos, _ = find_videos(folder, [explanation.video])
    if videos:
        path, size = videos[explanation.video], FRAME
        frames = decode_video(path, seconds=explanation.seconds, fps=1, sizes=(size,)).frames[size]
        return [frames[min(second, len(frames) - 1)] for second in middles]
    found = sorted(
        path
        for path in (folder / explanation.video).glob("*")
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    if not found:
        raise ReportError(
            f"--frames {folder}: no .jpg or .png in {folder / explanation.video}; allowed: one "
            "video for each video id, or one folder with one image for each second, named in order"
        )
    places = [second * len(found) // explanation.seconds for second in middles]
    return [matplotlib.image.imread(found[min(place, len(found) - 1)]) for place in places]


def _instrument(source: Mapping[str, Any]) -> Instrument:
    return Instrument(
        name=str(source["instrument"]).replace("_", " "),
        x=source["x"],
        y=source["y"],
        width=source["width"],
        height=source["height"],
        drift=source["drift"],
        loudness=np.asarray(source["loudness"], dtype=np.float32),
    )


def _same_dataset(checkpoint: Checkpoint, dataset: Dataset) -> None:
    trained = checkpoint.dataset
    if trained.get("fingerprint") != dataset.fingerprint:
        raise ReportError(
            f"the checkpoint was trained on dataset '{trained.get('name')}' "
            f"({trained.get('fingerprint')}), not on '{dataset.name}' ({dataset.fingerprint}); "
            "give its folder with --data"
        )


def _find(dataset: Dataset, question_id: int, split: str | None) -> tuple[str, int]:
    splits = (split,) if split else (*dataset.tests, "val", "train")
    for name in splits:
        rows = np.flatnonzero(dataset.questions(name).question_id == question_id)
        if rows.size:
            return name, int(rows[0])
    known = "; ".join(f"{kind} {number}" for kind, number in examples(dataset).items())
    raise ReportError(
        f"--question {question_id} is not among the {' and '.join(splits)} questions of "
        f"'{dataset.name}'; test questions are for instance {known}"
    )


def _first(weights: Tensor | None) -> Weights | None:
    return None if weights is None else weights[0].float().numpy()
