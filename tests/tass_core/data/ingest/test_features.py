"""Ingest of feature folders: every public layout, every mishap, and the trial that follows."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.ingest.features import IngestPlan, ingest
from tass_core.data.ingest.text import TextPlan
from tass_core.data.music_avqa.questions import parse_questions
from tass_core.errors import DataError
from tests import ROOT
from tests.tass_core.data.ingest.feature_folders import video_names, write_arrays, write_questions

GLOVE = "resnet18-glove"
VIDEOS = video_names(3)


def question_ids(files: dict[str, Path]) -> list[str]:
    found = [parse_questions(path).questions for path in files.values()]
    return [str(question.question_id) for asked in found for question in asked]


class Folders:
    """Three videos' feature folders, and the plan that ingests them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []
        self.questions = write_questions(root / "json", VIDEOS)
        self.audio = write_arrays(root / "vggish", VIDEOS, (60, 128))

    def visual(self, shape, kind="float32", encoder=GLOVE):
        self.maps = write_arrays(self.root / "maps", VIDEOS, shape, kind, seed=1)
        self.encoder = encoder
        return self

    def ingest(self, **changes):
        text = TextPlan(tokens=(GLOVE,))
        if self.encoder == "clip":
            ids = question_ids(self.questions)
            write_arrays(self.root / "text", ids, (1, 32))
            text = TextPlan(folders={"clip": self.root / "text"})
        settings = {
            "questions": self.questions,
            "audio": self.root / "vggish",
            "visual": {self.encoder: self.root / "maps"},
            "out": self.root / "made",
            "name": "made",
            "text": text,
        }
        self.report = ingest(IngestPlan(**(settings | changes)), say=self.said.append)
        return open_dataset(self.root / "made")


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path)


def regions_last(array):
    """[T, C, H, W] -> [T, P, C], written another way than the library does."""
    return np.stack([frame.reshape(len(frame), -1).T for frame in array])


LAYOUTS = {
    "AVST": ((60, 512, 14, 14), GLOVE, regions_last, (14, 14)),
    "TJSTG": ((10, 512, 14, 14), GLOVE, regions_last, (14, 14)),
    "channels last": ((10, 14, 14, 512), GLOVE, lambda a: a.reshape(10, 196, 512), (14, 14)),
    "clip maps": ((10, 2048, 7, 7), "clip", regions_last, (7, 7)),
    "PSTP": ((60, 50, 512), "clip", lambda a: a[:, 1:], (7, 7)),
    "TSPM tokens": ((10, 14, 1024), "clip", lambda a: a, (1, 14)),
    "TSPM frames": ((60, 768), "clip", lambda a: a[:, None], (1, 1)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_public_layout_is_recognised_and_kept_exactly(folders, name):
    shape, encoder, expected, grid = LAYOUTS[name]
    dataset = folders.visual(shape, encoder=encoder).ingest()
    assert dataset.segments == 60
    assert dataset.grid == grid
    t2 = 60 // shape[0]
    config = TrialConfig().with_values({"model.encoder": encoder, "data.t2": t2})
    features = dataset.features(config)
    for row, video in enumerate(dataset.video_ids):
        wanted = expected(folders.maps[video]).astype(np.float16)
        np.testing.assert_array_equal(features.visual[row], wanted)
        sound = folders.audio[video].astype(np.float16).astype(np.float64)
        pooled = sound.reshape(60 // t2, t2, 128).mean(axis=1)
        np.testing.assert_allclose(features.audio[row], pooled, atol=1e-3)
    assert any(f"{shape[0]} of picture: T1 = 60" in text for text in folders.said)
    assert any(f"{grid[0]}x{grid[1]} maps" in text for text in folders.said)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_every_float_type_gives_the_same_numbers(folders, kind):
    dataset = folders.visual((10, 8, 2, 2), kind).ingest()
    maps = dataset.features(TrialConfig().replace("model.encoder", GLOVE)).visual
    np.testing.assert_array_equal(maps[0], regions_last(folders.maps[VIDEOS[0]]).astype(np.float16))
    assert any(kind in text for text in folders.said)


def test_ingested_dataset_trains_with_its_own_settings(folders):
    from tass_core.training.pack import train_pack
    from tass_core.trial import Trial

    dataset = folders.visual((10, 16, 14, 14)).ingest()
    small = {"model.width": 16, "model.heads": 2, "optimiser.epochs": 1}
    config = TrialConfig().with_values({**dataset.base, **small})
    dataset.check(config)
    results = list(train_pack([Trial(config, 0)], dataset, folder=folders.root / "run"))
    assert 0 <= results[-1].metrics["test/all"] <= 100


def test_short_videos_repeat_their_last_second_and_long_ones_are_cut(folders):
    folders.visual((60, 8, 2, 2))
    short, long = VIDEOS[0], VIDEOS[1]
    np.save(folders.root / "maps" / f"{short}.npy", folders.maps[short][:50])
    np.save(folders.root / "vggish" / f"{short}.npy", folders.audio[short][:48])
    extra = np.concatenate([folders.maps[long], folders.maps[long][:3]])
    np.save(folders.root / "maps" / f"{long}.npy", extra)
    dataset = folders.ingest()
    config = TrialConfig().with_values({"model.encoder": GLOVE, "data.t2": 1})
    features = dataset.features(config)
    np.testing.assert_array_equal(features.visual[0, 50:], features.visual[0, 49:50].repeat(10, 0))
    np.testing.assert_array_equal(features.audio[0, 48:], features.audio[0, 47:48].repeat(12, 0))
    np.testing.assert_array_equal(
        features.visual[1], regions_last(folders.maps[long]).astype(np.float16)
    )
    assert any("1 videos are shorter than 60" in text for text in folders.said)
    assert any("1 videos are longer than 60" in text for text in folders.said)


def test_store_t2_keeps_the_means_alone(folders):
    whole = folders.visual((60, 8, 2, 2)).ingest()
    config = TrialConfig().replace("model.encoder", GLOVE)
    expected = np.array(whole.features(config).visual)
    pooled = folders.ingest(store_t2=6, force=True)
    np.testing.assert_array_equal(pooled.features(config).visual, expected)
    assert pooled.fingerprint != whole.fingerprint
    assert (pooled.folder / "features.h5").stat().st_size < 200_000


def test_vocabulary_comes_from_the_training_questions(folders):
    dataset = folders.visual((10, 8, 2, 2)).ingest()
    assert dataset.vocabulary[0] == "<pad>"
    train = {w for t in dataset.question_table("train")["text"].to_pylist() for w in t[:-1].split()}
    assert train <= set(dataset.vocabulary)
    assert set(dataset.vocabulary) - train <= {"<pad>", "<unk>"}
    features = dataset.features(TrialConfig().replace("model.encoder", GLOVE))
    assert features.tokens.shape[1] == 14
    asked = dataset.questions("train").sentence[3]
    words = [dataset.vocabulary[place] for place in features.tokens[asked] if place]
    assert " ".join(words) + "?" == dataset.question_table("train")["text"][3].as_py()


def test_glove_vectors_are_read_for_the_vocabulary(folders):
    glove = folders.root / "glove.txt"
    glove.write_text(
        "3 4\nis 1 2 3 4\nacoustic 1 0 0 0\nguitar 0 0 0 1\nthe 9 9 9 9\n. . 0 0 0 1\n"
    )
    text = TextPlan(tokens=(GLOVE,), vectors=glove)
    dataset = folders.visual((10, 8, 2, 2)).ingest(text=text)
    vectors = dataset.features(TrialConfig().replace("model.encoder", GLOVE)).vectors
    place = dataset.vocabulary.index
    np.testing.assert_array_equal(vectors[0], 0)
    np.testing.assert_array_equal(vectors[place("Is")], [1, 2, 3, 4])
    np.testing.assert_array_equal(vectors[place("acoustic_guitar")], [0.5, 0, 0, 0.5])
    assert np.isfinite(vectors).all()
    assert vectors[place("piano")].any()
    assert any("not found" in text and "piano" in text for text in folders.said)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("the 1 2 3\nis 1 2\n", r"line 2 .*|line 2 is no word"),
        ("is 1 2 x\n", "line 1 holds something that is no number"),
        ("", "the file is empty"),
        (b"PK\x03\x04\xff\xfe", "not a text file; unzip it"),
    ],
)
def test_bad_glove_file_is_named_with_its_line(folders, content, reason):
    glove = folders.root / "glove.txt"
    glove.write_bytes(content if isinstance(content, bytes) else content.encode())
    folders.visual((10, 8, 2, 2))
    with pytest.raises(DataError, match=f"glove.txt: {reason}"):
        folders.ingest(text=TextPlan(tokens=(GLOVE,), vectors=glove))
    assert not (folders.root / "made").exists()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-50])


def spoil(path, value):
    array = np.load(path)
    array[0, 0, 0, 0] = value
    np.save(path, array)


MISHAPS = {
    "missing": (lambda path: path.unlink(), "the file is missing"),
    "truncated": (truncate, "cut short"),
    "not npy": (lambda path: path.write_text("hello"), "not a .npy file"),
    "empty": (lambda path: path.write_bytes(b""), "not a .npy file"),
    "wrong shape": (lambda path: np.save(path, np.ones((10, 8, 3, 3), "f4")), r"shape \[10, 8, 3"),
    "wrong length": (
        lambda path: np.save(path, np.ones((9, 8, 2, 2), "f4")),
        "9 segments where 10",
    ),
    "whole numbers": (lambda path: np.save(path, np.ones((10, 8, 2, 2), "i4")), "holds int32"),
    "objects": (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "holds object"),
    "nan": (lambda path: spoil(path, np.nan), "NaN or infinite"),
    "infinite": (lambda path: spoil(path, np.inf), "NaN or infinite"),
    "too large": (lambda path: spoil(path, 1e6), "beyond float16"),
}


@pytest.mark.parametrize("name", MISHAPS)
def test_bad_file_is_named_and_nothing_is_written(folders, name):
    mishap, reason = MISHAPS[name]
    folders.visual((10, 8, 2, 2))
    path = folders.root / "maps" / f"{VIDEOS[1]}.npy"
    mishap(path)
    with pytest.raises(DataError, match=reason) as error:
        folders.ingest()
    assert str(path) in str(error.value)
    assert "--skip-bad" in str(error.value)
    assert not [p for p in folders.root.iterdir() if "made" in p.name]


@pytest.mark.parametrize("name", MISHAPS)
def test_skip_bad_leaves_the_video_out_with_its_questions_and_says_so(folders, name):
    mishap, _reason = MISHAPS[name]
    folders.visual((10, 8, 2, 2))
    mishap(folders.root / "maps" / f"{VIDEOS[1]}.npy")
    dataset = folders.ingest(skip_bad=True)
    assert dataset.video_ids == (VIDEOS[0], VIDEOS[2])
    rows = list(csv.DictReader((dataset.folder / "left-out.csv").open()))
    assert [row["name"] for row in rows if row["kind"] == "video"] == [VIDEOS[1]]
    asked = sum(len(dataset.questions(split)) for split in ("train", "val", "test"))
    assert asked + sum(row["kind"] == "question" for row in rows) == 120
    dataset.verify()


def test_skip_bad_lists_unusable_records(folders):
    path = folders.questions["val"]
    records = json.loads(path.read_text())
    records[3]["anser"] = "perhaps"
    path.write_text(json.dumps(records))
    folders.visual((10, 8, 2, 2))
    with pytest.raises(DataError, match=r"avqa-val\.json: record 3 .*'perhaps' is none of the 42"):
        folders.ingest()
    dataset = folders.ingest(skip_bad=True)
    assert len(dataset.questions("val")) == 39
    assert "perhaps" in (dataset.folder / "left-out.csv").read_text()


def test_same_id_in_two_splits_is_refused(folders):
    folders.questions["val"].write_text(folders.questions["train"].read_text())
    folders.visual((10, 8, 2, 2))
    with pytest.raises(DataError, match=r"question_id \d+ of val is in train already"):
        folders.ingest()


def test_existing_dataset_survives_a_failed_replacement(folders):
    before = folders.visual((10, 8, 2, 2)).ingest().fingerprint
    spoil(folders.root / "maps" / f"{VIDEOS[2]}.npy", np.nan)
    with pytest.raises(DataError, match="NaN"):
        folders.ingest(force=True)
    dataset = open_dataset(folders.root / "made")
    dataset.verify()
    assert dataset.fingerprint == before


def test_missing_folder_and_foreign_folder_are_named(folders):
    folders.visual((10, 8, 2, 2))
    with pytest.raises(DataError, match="no such folder"):
        folders.ingest(audio=folders.root / "nothing")
    (folders.root / "other").mkdir()
    with pytest.raises(DataError, match="not one of the 3 videos"):
        folders.ingest(audio=folders.root / "other")


def test_clip_text_and_words_come_from_question_files(folders):
    folders.visual((10, 8, 2, 2), encoder="clip")
    ids = question_ids(folders.questions)
    sentences = write_arrays(folders.root / "asked", ids, (1, 32))
    words = write_arrays(folders.root / "words", ids, (77, 32), seed=3)
    for name in ids:
        words[name][6:] = 0
        np.save(folders.root / "words" / f"{name}.npy", words[name])
    plan = TextPlan(
        folders={"clip": folders.root / "asked"}, word_folders={"clip": folders.root / "words"}
    )
    dataset = folders.ingest(text=plan)
    features = dataset.features(TrialConfig())
    row = dataset.questions("train").sentence[0]
    np.testing.assert_allclose(features.text[row], sentences["0"][0], rtol=1e-3)
    assert features.words.shape[1:] == (6, 32)
    assert set(features.word_count) == {6}
    for name in ids:
        (folders.root / "asked" / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=r"asked/\d+\.npy: the file is missing"):
        folders.ingest(text=plan, force=True)


def test_failed_ingest_leaves_no_thread_to_the_garbage_collector(folders):
    folders.visual((10, 8, 2, 2))
    spoil(folders.root / "maps" / f"{VIDEOS[0]}.npy", np.nan)
    before = threading.active_count()
    with pytest.raises(DataError) as kept:
        folders.ingest(threads=2)
    assert threading.active_count() == before
    assert kept.value.__traceback__ is not None  # whose frames are still there


def test_killed_ingest_leaves_nothing_but_what_the_next_one_clears(folders):
    folders.visual((60, 512, 7, 7))
    root = folders.root
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tass_core.data.ingest.features import IngestPlan, ingest\n"
        "from tass_core.data.ingest.text import TextPlan\n"
        f"root = Path({str(root)!r})\n"
        "plan = IngestPlan(questions={s: root / 'json' / f'avqa-{s}.json' for s in "
        "('train', 'val', 'test')}, audio=root / 'vggish', "
        f"visual={{{GLOVE!r}: root / 'maps'}}, out=root / 'made', name='made', "
        f"text=TextPlan(tokens=({GLOVE!r},)), threads=1)\n"
        "def slow(done, total):\n    print(done, flush=True); time.sleep(30)\n"
        "ingest(plan, progress=slow)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (root / "made").exists()
    folders.ingest().verify()
    assert not list(root.glob(".made*"))
