"""Worlds over real questions: real answers kept, scenes that agree with them, splits by video."""

import json

import pyarrow.parquet as pq
import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.data.music_avqa.vocabulary import ANSWERS
from tass_core.data.world.over.invent import make_world_over
from tass_core.errors import DataError
from tests import SHARED

REAL = SHARED / "music-avqa"


def record(video, identity, kind, content, values, answer):
    return {
        "video_id": video,
        "question_id": identity,
        "type": json.dumps(kind),
        "question_content": content,
        "templ_values": json.dumps(values),
        "question_deleted": 0,
        "anser": answer,
    }


def write(path, *records):
    path.write_text(json.dumps(records))
    return path


PRESENCE = (["Visual", "Counting"], "Is there a <Object> in the entire video?")
SOUND = (["Audio", "Counting"], "Is there a <Object> sound?")


def small_files(folder):
    train = [record(f"v{i}", i, *PRESENCE, ["piano"], "yes" if i % 2 else "no") for i in range(6)]
    test = [record(f"w{i}", 10 + i, *SOUND, ["tuba"], "yes" if i % 2 else "no") for i in range(6)]
    return write(folder / "a-train.json", *train), write(folder / "a-test.json", *test)


def test_real_answers_are_kept_and_true_of_the_scene(tmp_path):
    report = make_world_over(small_files(tmp_path), tmp_path / "world", preset="tiny")
    dataset = open_dataset(tmp_path / "world")
    assert report.unmet_total == 0
    assert dataset.provenance == "procedural-over-real-questions"
    rows = pq.read_table(dataset.folder / "questions-train.parquet").to_pylist()
    assert {row["question_id"]: row["answer_text"] for row in rows} == {
        i: "yes" if i % 2 else "no" for i in range(6)
    }
    marked = dataset.truth("train").regions.any(axis=(1, 2))
    assert [bool(m) for m in marked] == [row["answer_text"] == "yes" for row in rows]


def test_answers_that_contradict_each_other_are_counted(tmp_path):
    file = write(
        tmp_path / "q-train.json",
        record("v", 1, *PRESENCE, ["piano"], "yes"),
        record("v", 2, *PRESENCE, ["piano"], "no"),
        record("v", 3, *SOUND, ["tuba"], "yes"),
    )
    report = make_world_over([file], tmp_path / "world", preset="tiny")
    assert report.unmet_total == report.unmet["v_count"] == 1


def test_answers_that_a_template_never_has_are_counted(tmp_path):
    where = (["Audio-Visual", "Temporal"], "Where is the <FL> sounding instrument?")
    asked = [record(f"v{n}", n, *where, ["first"], answer) for n, answer in enumerate(ANSWERS)]
    file = write(tmp_path / "q-train.json", *asked)
    report = make_world_over([file], tmp_path / "world", preset="tiny")
    given = {"left", "middle", "right", "simultaneously"}
    assert len(ANSWERS) - len(given) <= report.unmet_total <= len(ANSWERS) - 3


def test_sounds_from_off_the_stage_can_be_compared(tmp_path):
    rhythm = (["Audio", "Comparative"], "Is the <Object> more rhythmic than the <Object>?")
    asked = []
    for video in range(5):
        asked += [
            record(f"v{video}", 3 * video, *PRESENCE, ["violin"], "no"),
            record(f"v{video}", 3 * video + 1, *PRESENCE, ["piano"], "no"),
            record(f"v{video}", 3 * video + 2, *rhythm, ["violin", "piano"], "yes"),
        ]
    file = write(tmp_path / "q-train.json", *asked)
    assert make_world_over([file], tmp_path / "world", preset="tiny").unmet_total == 0


def test_a_train_split_is_carved_by_video(tmp_path):
    _, file = small_files(tmp_path)
    make_world_over([file], tmp_path / "world", preset="tiny", split_from=file)
    dataset = open_dataset(tmp_path / "world")
    train, test = (set(dataset.questions(s).video.tolist()) for s in ("train", "test"))
    assert train
    assert test
    assert not train & test


def test_without_a_train_file_the_message_says_how_to_carve_one(tmp_path):
    _, file = small_files(tmp_path)
    with pytest.raises(DataError, match=r"--split-from .*a-test\.json"):
        make_world_over([file], tmp_path / "world", preset="tiny")


def test_split_from_must_be_one_of_the_files(tmp_path):
    train, test = small_files(tmp_path)
    with pytest.raises(DataError, match="not among them"):
        make_world_over([test], tmp_path / "world", split_from=tmp_path / "other.json")
    with pytest.raises(DataError, match="a train file already"):
        make_world_over([train, test], tmp_path / "world", split_from=test)


@pytest.mark.skipif(not REAL.is_dir(), reason="MUSIC-AVQA's files are not in ../shared/music-avqa")
def test_few_of_the_real_answers_contradict_each_other(tmp_path):
    records = json.loads((REAL / "avqa-test.json").read_text())
    videos = sorted({item["video_id"] for item in records})[:400]
    chosen = [item for item in records if item["video_id"] in set(videos)]
    file = write(tmp_path / "part-test.json", *chosen)
    report = make_world_over([file], tmp_path / "world", preset="tiny", split_from=file)
    assert sum(report.questions.values()) == len(chosen)
    assert report.unmet_total < 0.05 * len(chosen)
