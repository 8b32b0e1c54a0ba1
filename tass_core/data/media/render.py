"""Rendering the procedural world as mp4 files and question files, from a seed.

Scenes, questions and answers are ``tass_core.data.world``'s; only what they look and sound like
differs. Clutter that looks like an absent instrument is left out: a drawing of it would be one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from tass_core.data.folder.description import PROVENANCES
from tass_core.data.ingest.sources import Progress
from tass_core.data.media.film import FPS, write_film
from tass_core.data.media.ingredients import (
    INGREDIENTS,
    PROPS,
    SEEN_FONTS,
    SEEN_PICTURES,
    UNSEEN_FONT,
    UNSEEN_PICTURES,
    Picture,
    find_file,
    find_ingredient,
)
from tass_core.data.media.music import player
from tass_core.data.media.scenes import Scenes, describe_video, write_scenes
from tass_core.data.media.stage import Prop, cast_scene, draw_scene
from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import TYPE_NAMES
from tass_core.data.world.asking import Question
from tass_core.data.world.build import Video
from tass_core.data.world.make import CO_OCCURRENCE, imagine
from tass_core.data.world.presets import Size
from tass_core.data.world.scene import Source
from tass_core.data.world.seeds import generator
from tass_core.errors import DataError
from tass_core.files import storage_errors, write_atomically

MediaPreset = Literal["tiny", "small", "full"]
MEDIA_PRESETS: tuple[MediaPreset, ...] = get_args(MediaPreset)

PICTURES, FONT = "unseen-pictures", "unseen-soundfont"
"""The further tests: with drawings, and with a soundfont, that no other split has."""

SECONDS, GRID = 12, (7, 7)
QUESTIONS = 8
"""Questions a video."""
ANSWER_BIAS = 0.0
"""Answers are as even within each template as the scenes allow."""

VIDEOS: Mapping[MediaPreset, Mapping[str, int]] = {
    "tiny": {"train": 12, "val": 4, "test": 4, PICTURES: 2, FONT: 2},
    "small": {"train": 300, "val": 40, "test": 80, PICTURES: 40, FONT: 40},
    "full": {"train": 2000, "val": 200, "test": 400, PICTURES: 200, FONT: 200},
}
RECIPE = "recipe.json"
FILMS = "videos"
_TYPES = {key: list(pair) for pair, key in TYPE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the videos."""

    preset: MediaPreset
    seed: int
    version: int = 1
    """Raised whenever the same seed gives other videos."""

    def facts(self) -> dict[str, Any]:
        """Return the recipe with what it is made of, as plain data."""
        pictures = (*_all_pictures(SEEN_PICTURES), *_all_pictures(UNSEEN_PICTURES), *PROPS)
        made_of = {name: INGREDIENTS[name].facts for name in (*SEEN_FONTS, UNSEEN_FONT)}
        for picture in pictures:
            made_of[Path(picture.file.file).name] = picture.file.facts
        return asdict(self) | {
            "videos": VIDEOS[self.preset],
            "provenance": PROVENANCES["rendered"],
            "ingredients": made_of,
        }


def render(
    recipe: Recipe, out: Path, *, force: bool = False, progress: Progress | None = None
) -> dict[str, int]:
    """Render a world and return the questions by split.

    ``out`` then holds ``videos/`` with the mp4 files and ``scenes.json``, and the question files
    ``avqa-train.json``, ``avqa-val.json``, ``avqa-test.json`` and, for the further tests,
    ``avqa-test-NAME.json``. A run that was stopped goes on when it is started again.

    Args:
        recipe: what to render.
        out: the folder to fill.
        force: replace what another recipe left there.
        progress: told (videos done, videos in all).

    Raises:
        DataError: an ingredient or a library is missing, the folder holds something else, or it
            cannot be written.
    """
    facts = recipe.facts()
    check_ingredients()
    with storage_errors(out):
        _open(out, facts, force)
        videos = list(imagine_videos(recipe))
        for done, (split, video) in enumerate(videos, start=1):
            path = out / FILMS / f"{video.video_id}.mp4"
            if not path.is_file():
                _film(recipe.seed, split, video, path)
            if progress is not None:
                progress(done, len(videos))
        counts = _write_questions(out, videos)
    described = (_fitted(recipe.seed, split, video) for split, video in videos)
    scenes = {video.video_id: describe_video(video) for video, _ in described}
    write_scenes(out / FILMS, Scenes(facts, scenes))
    return counts


def check_ingredients() -> None:
    """Make sure that everything videos are made of is there.

    Raises:
        DataError: something is not, or is another version's.
    """
    for name in (*SEEN_FONTS, UNSEEN_FONT):
        find_ingredient(name)
    for picture in (*_all_pictures(SEEN_PICTURES), *_all_pictures(UNSEEN_PICTURES), *PROPS):
        find_file(picture.file)


def _all_pictures(choice: Mapping[str, Sequence[Picture]]) -> Iterator[Picture]:
    return (picture for pictures in choice.values() for picture in pictures)


def _open(out: Path, facts: Mapping[str, Any], force: bool) -> None:
    """Make the folder, or go on in one of the same recipe."""
    text = json.dumps(facts, indent=1) + "\n"
    path = out / RECIPE
    if out.exists() and any(out.iterdir()):
        if not path.is_file():
            raise DataError(f"{out}: is not empty and holds no {RECIPE}; choose another folder")
        if path.read_text(encoding="utf-8") == text:
            return
        if not force:
            raise DataError(f"{out}: was rendered by another recipe; choose another, or --force")
        shutil.rmtree(out)
    (out / FILMS).mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")


def imagine_videos(recipe: Recipe) -> Iterator[tuple[str, Video]]:
    """Yield the videos of a recipe with their splits, not yet rendered."""
    counts = VIDEOS[recipe.preset]
    size = Size(
        seconds=SECONDS,
        stored_t2=1,
        grid=GRID,
        visual={},
        text=0,
        videos=counts,
        questions={split: QUESTIONS * count for split, count in counts.items()},
    )
    imagined = imagine(
        size,
        seed=recipe.seed,
        answer_bias=ANSWER_BIAS,
        co_occurrence=CO_OCCURRENCE,
        instruments=tuple(SEEN_PICTURES),
        even=True,
    )
    for video in imagined:
        (split,) = video.questions
        yield split, video


def _fitted(seed: int, split: str, video: Video) -> tuple[Video, tuple[Prop, ...]]:
    """Return a video whose places are as its drawings need them, and the drawings."""
    pictures = {**SEEN_PICTURES, **(UNSEEN_PICTURES if split == PICTURES else {})}
    rng = generator(seed, "picture", int(video.video_id.rsplit("-", 1)[1]))
    scene, props = cast_scene(rng, video.scene, pictures)
    fitted = {id(old): new for old, new in zip(video.scene.sources, scene.sources, strict=True)}
    asked = [_about(question, fitted) for question in video.asked(split)]
    return replace(video, scene=scene, questions={split: asked}), props


def _about(question: Question, fitted: Mapping[int, Source]) -> Question:
    """Let a question be about the sources as they are drawn."""
    settled = question.settled
    assert settled is not None
    sources = tuple(fitted[id(source)] for source in settled.sources)
    return replace(question, settled=replace(settled, sources=sources))


def _film(seed: int, split: str, video: Video, path: Path) -> None:
    number = int(video.video_id.rsplit("-", 1)[1])
    fitted, props = _fitted(seed, split, video)
    rng = generator(seed, "sound", number)
    font = UNSEEN_FONT if split == FONT else SEEN_FONTS[int(rng.integers(len(SEEN_FONTS)))]
    with write_atomically(path) as partial:
        write_film(
            partial,
            draw_scene(generator(seed, "picture", number, 1), fitted.scene, props, FPS),
            player(font).play(rng, fitted.scene),
            PROVENANCES["rendered"],
        )


def _write_questions(out: Path, videos: Iterable[tuple[str, Video]]) -> dict[str, int]:
    """Write the question files in MUSIC-AVQA's own form."""
    records: dict[str, list[dict[str, Any]]] = {}
    for split, video in videos:
        asked = records.setdefault(split, [])
        asked += [_record(question.record) for question in video.asked(split)]
    for split, asked in records.items():
        name = f"test-{split}" if split in (PICTURES, FONT) else split
        with write_atomically(out / f"avqa-{name}.json") as partial:
            partial.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    return {split: len(asked) for split, asked in records.items()}


def _record(question: RawQuestion) -> dict[str, Any]:
    return {
        "video_id": question.video_id,
        "question_id": question.question_id,
        "type": json.dumps(_TYPES[question.type]),
        "question_content": question.content,
        "templ_values": json.dumps(list(question.values)),
        "question_deleted": 0,
        "anser": question.answer,
    }
