"""A whole world as files: questions nobody can guess, splits, and going on after a stop."""

import json
from collections import Counter, defaultdict

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

SPLITS = {"train": 2, "val": 1, "test": 1, PICTURES: 1, FONT: 1}


@pytest.fixture(scope="module")
def small():
    return list(imagine_videos(Recipe("small", 0)))


@pytest.fixture
def few(monkeypatch):
    """A world of six videos."""
    require_ingredients()
    monkeypatch.setitem(rendering.VIDEOS, "tiny", SPLITS)
    return Recipe("tiny", 3)


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


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been(few, tmp_path):
    def stop(done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(few, tmp_path / "stopped", progress=stop)
    assert len(list((tmp_path / "stopped/videos").glob("*.mp4"))) == 3
    counts = render(few, tmp_path / "stopped")
    assert counts == render(few, tmp_path / "whole")
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.*")]
    assert len([path for path in files if path.suffix == ".mp4"]) == sum(SPLITS.values())
    stopped, whole = (
        {file: (tmp_path / name / file).read_bytes() for file in files}
        for name in ("stopped", "whole")
    )
    assert stopped == whole


def test_the_files_say_what_they_are_and_what_they_are_made_of(few, tmp_path):
    counts = render(few, tmp_path / "media")
    splits = assign_splits((tmp_path / "media").glob("avqa-*.json"))
    assert {name: len(parse_questions(file).questions) for name, file in splits.items()} == {
        name: counts[name] for name in ("train", "val", "test")
    }
    assert all(not parse_questions(file).rejected for file in splits.values())
    for hard in (PICTURES, FONT):
        found = parse_questions(tmp_path / "media" / hard / "avqa-test.json")
        assert len(found.questions) == counts[hard]
    scenes = read_scenes(tmp_path / "media/videos")
    assert scenes.recipe["provenance"].endswith("not MUSIC-AVQA")
    assert scenes.recipe["ingredients"]["fluid"]["licence"] == "MIT"
    boxes = [
        box
        for video in scenes.videos.values()
        for source in video["sources"]
        for box in source["boxes"]
    ]
    assert all(left < right and top < bottom for left, top, right, bottom in boxes)


def test_a_folder_of_something_else_is_refused(few, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("x")
    with pytest.raises(DataError, match=r"is not empty and holds no recipe\.json"):
        render(few, tmp_path / "letters")
    (tmp_path / "letters/recipe.json").write_text(json.dumps({"seed": 5}))
    with pytest.raises(DataError, match="was rendered by another recipe"):
        render(few, tmp_path / "letters")
    assert (tmp_path / "letters/dear.txt").exists()
