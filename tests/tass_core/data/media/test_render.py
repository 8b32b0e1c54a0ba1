"""A whole world as files: questions nobody can guess, splits, and going on after a stop."""

import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from tass_core.data.ingest.sources import assign_splits
from tass_core.data.media import render as rendering
from tass_core.data.media.ingredients import SEEN_PICTURES
from tass_core.data.media.render import FONT, PICTURES, Recipe, imagine_videos, render
from tass_core.data.media.scenes import read_scenes
from tass_core.data.music_avqa.questions import parse_questions
from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, TEMPLATES
from tass_core.errors import DataError
from tests.tass_core.data.media.films import require_ingredients

SPLITS = dict.fromkeys(("train", "val", "test", PICTURES, FONT), 1)
FEW = Recipe("tiny", 3)


@pytest.fixture(scope="module")
def small():
    return list(imagine_videos(Recipe("small", 0)))


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """The folder of a world with a video in each split, and what rendering it returned."""
    require_ingredients()
    folder = tmp_path_factory.mktemp("rendered") / "media"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rendering.VIDEOS, "tiny", SPLITS)
        yield folder, render(FEW, folder)


def test_no_type_can_be_guessed_from_the_commonest_answer_of_its_templates(small):
    asked = defaultdict(list)
    for split, video in small:
        asked[split] += [question.record for question in video.asked(split)]
    answers = defaultdict(Counter)
    for record in asked["train"]:
        answers[record.content][record.answer] += 1
    for split in ("train", "test"):
        hits, count = Counter(), Counter()
        for record in asked[split]:
            count[record.type] += 1
            hits[record.type] += answers[record.content].most_common(1)[0][0] == record.answer
        assert max(hits[kind] / count[kind] for kind in count) < 0.6
    assert {(record.type, record.content) for record in asked["train"]} == set(TEMPLATES)


def test_only_the_cast_is_asked_about_and_seen(small):
    cast, absent = set(SEEN_PICTURES), set(INSTRUMENTS) - set(SEEN_PICTURES)
    for split, video in small:
        everybody = video.scene.sources
        if video.scene.cutaway is not None:
            everybody += video.scene.cutaway.scene.sources
        assert {source.instrument for source in everybody} <= cast
        for question in video.asked(split):
            assert not absent & {*question.record.values, question.record.answer}


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been(media, tmp_path):
    whole, counts = media

    def stop(done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(FEW, tmp_path, progress=stop)
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 3
    assert render(FEW, tmp_path) == counts
    files = [path.relative_to(whole) for path in whole.rglob("*.*")]
    assert len([path for path in files if path.suffix == ".mp4"]) == sum(SPLITS.values())
    contents = [
        {file: (folder / file).read_bytes() for file in files} for folder in (tmp_path, whole)
    ]
    assert contents[0] == contents[1]


def test_the_files_say_what_they_are_and_what_they_are_made_of(media):
    folder, counts = media
    splits = assign_splits(folder.glob("avqa-*.json"))
    assert list(splits) == ["train", "val", "test", PICTURES, FONT]
    assert {name: len(parse_questions(file).questions) for name, file in splits.items()} == counts
    assert all(not parse_questions(file).rejected for file in splits.values())
    scenes = read_scenes(folder / "videos")
    assert scenes.recipe["provenance"].endswith("not MUSIC-AVQA")
    assert scenes.recipe["ingredients"]["fluid"]["licence"] == "MIT"
    boxes = [
        box
        for video in scenes.videos.values()
        for source in video["sources"]
        for box in source["boxes"]
    ]
    assert all(left < right and top < bottom for left, top, right, bottom in boxes)


def test_a_folder_of_something_else_is_refused(media, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("x")
    with pytest.raises(DataError, match=r"is not empty and holds no recipe\.json"):
        render(FEW, tmp_path / "letters")
    (tmp_path / "letters/recipe.json").write_text(json.dumps({"seed": 5}))
    with pytest.raises(DataError, match="was rendered by another recipe"):
        render(FEW, tmp_path / "letters")
    assert (tmp_path / "letters/dear.txt").exists()


def test_a_questions_true_cells_are_under_the_boxes_of_what_it_asks_about(media):
    folder, _ = media
    scenes = read_scenes(folder / "videos")
    found = [
        (question, scenes.truth(question.video_id, question.question_id, (7, 7)).regions[0])
        for file in folder.glob("avqa-*.json")
        for question in parse_questions(file).questions
        if question.content.startswith("How many <Object>") and question.answer != "zero"
    ]
    assert any(regions.any() for _, regions in found)
    for question, regions in found:
        boxes = [
            source["boxes"]
            for source in scenes.videos[question.video_id]["sources"]
            if source["visible"] and source["instrument"] == question.values[0]
        ]
        for second, cell in zip(*np.nonzero(regions), strict=True):
            row, column = divmod(int(cell), 7)
            assert any(
                7 * box[second][0] < column + 1
                and column < 7 * box[second][2]
                and 7 * box[second][1] < row + 1
                and row < 7 * box[second][3]
                for box in boxes
            )
