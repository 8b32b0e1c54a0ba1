"""Writing a dataset: round trip, fingerprint, and all or nothing."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.description import SPLITS
from tass_core.errors import DataError
from tests import ROOT
from tests.tass_core.data.folder.small_datasets import (
    FURTHER,
    SEGMENTS,
    VIDEOS,
    content,
    fill,
    questions,
    small_writer,
    write_one_video,
    write_small,
)

UNPOOLED = TrialConfig().replace("data.t2", 1)
GLOVE = UNPOOLED.replace("model.encoder", "resnet18-glove")


def write(path: Path, made: dict, asked: dict | None = None) -> None:
    with small_writer(path) as writer:
        fill(writer, made, truth=asked is None)
        if asked is not None:
            writer.set_questions("val", **asked)
        writer.finish()


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_what_was_written_is_read_back(tmp_path):
    dataset = write_small(tmp_path / "small", description="five videos", base={"model.heads": 2})
    made = content()
    clip, glove = dataset.features(UNPOOLED), dataset.features(GLOVE)
    np.testing.assert_array_equal(clip.audio, made["audio"])
    np.testing.assert_array_equal(clip.visual, made["clip"])
    np.testing.assert_array_equal(
        glove.visual, made["resnet18-glove"].reshape(VIDEOS, SEGMENTS, 16, 6)
    )
    np.testing.assert_allclose(clip.text, made["text"], rtol=1e-3)
    np.testing.assert_allclose(clip.words, made["words"], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(clip.word_count, made["word_count"])
    np.testing.assert_array_equal(glove.tokens, made["tokens"])
    np.testing.assert_array_equal(glove.word_count, [2, 1, 3])
    np.testing.assert_allclose(glove.vectors, made["vectors"], rtol=1e-6)
    assert clip.tokens is None
    assert glove.text is None
    found = dataset.questions("val")
    for column in ("question_id", "video", "sentence", "answer", "type"):
        np.testing.assert_array_equal(getattr(found, column), questions("val")[column])
    assert dataset.question_table("test")["target"].to_pylist() == ["piano", None, None, "drum"]
    assert dataset.question_table("test")["answer_text"].to_pylist()[0] == "yes"
    assert dataset.video_ids == tuple(f"video-{row}" for row in range(VIDEOS))
    assert (dataset.description.description, dataset.base) == ("five videos", {"model.heads": 2})
    assert dataset.invented
    dataset.verify()


def test_fingerprint_ignores_names_and_sees_every_content(tmp_path):
    first = write_small(tmp_path / "a")
    renamed = write_small(
        tmp_path / "b",
        name="other",
        description="other words",
        base={"model.heads": 2},
        notes={"made": "today"},
        provenance="features",
    )
    assert renamed.fingerprint == first.fingerprint
    assert write_small(tmp_path / "c", seed=1).fingerprint != first.fingerprint
    assert write_small(tmp_path / "d", stored_t2=2).fingerprint != first.fingerprint
    with small_writer(tmp_path / "e") as writer:
        fill(writer, content())
        writer.set_questions("val", **{**questions("val"), "answer": [0, 41, 3, 8]})
        writer.finish()
    assert open_dataset(tmp_path / "e").fingerprint != first.fingerprint


def test_a_further_test_is_a_split_of_its_own(tmp_path):
    plain = write_small(tmp_path / "plain")
    further = write_small(tmp_path / "further", further_tests=(FURTHER,))
    assert (plain.tests, further.tests) == (("test",), ("test", FURTHER))
    np.testing.assert_array_equal(
        further.questions(FURTHER).question_id, questions(FURTHER)["question_id"]
    )
    for split in SPLITS:
        for part in ("regions", "segments"):
            one, other = (getattr(it.truth(split), part) for it in (plain, further))
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(further.truth(FURTHER).regions, ~content()["regions"])
    assert further.fingerprint != plain.fingerprint
    further.verify()
    with pytest.raises(DataError, match=f"'unseen' is not one of .*did you mean '{FURTHER}'"):
        further.questions("unseen")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("Unseen_pictures",), "small letters, digits and single hyphens"),
        (("../test",), "small letters"),
        (("val",), "a split repeats among train, val, test, val"),
        (("silent",), "further test 'silent' has no questions"),
    ],
)
def test_a_further_test_that_cannot_be_is_refused(names, reason, tmp_path):
    def write_without() -> None:
        with small_writer(tmp_path / "small", further_tests=names) as writer:
            fill(writer, content())
            writer.finish()

    with pytest.raises(DataError, match=reason):
        write_without()


def test_fewer_videos_than_announced_give_the_same_dataset(tmp_path):
    exact = write_small(tmp_path / "exact")
    fewer = write_small(tmp_path / "fewer", videos=50)
    assert fewer.fingerprint == exact.fingerprint
    fewer.verify()
    np.testing.assert_array_equal(fewer.features(GLOVE).visual, exact.features(GLOVE).visual)


def test_features_lie_in_one_piece_for_other_readers(tmp_path):
    dataset = write_small(tmp_path / "small")
    with h5py.File(dataset.folder / "features.h5") as store:
        assert store["clip/visual"].chunks is None
        assert store["clip/visual"].dtype == np.float16
        np.testing.assert_array_equal(store["audio"][()], content()["audio"])


def test_leaving_without_finish_leaves_nothing(tmp_path):
    def interrupted():
        with small_writer(tmp_path / "small") as writer:
            fill(writer, content())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_existing_dataset_is_kept_without_force_and_replaced_with_it(tmp_path):
    first = write_small(tmp_path / "small")
    before = listing(first.folder)
    with pytest.raises(DataError, match=r"exists already; .*--force"):
        write_small(tmp_path / "small", seed=1)
    assert listing(first.folder) == before
    second = write_small(tmp_path / "small", seed=1, force=True)
    assert second.fingerprint != first.fingerprint
    second.verify()
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_force_does_not_replace_what_is_no_dataset(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")
    with pytest.raises(DataError, match=r"is no dataset .*--force does not"):
        write_small(tmp_path / "photos", force=True)
    assert (tmp_path / "photos" / "one.jpg").read_text() == "x"


def start_writer(path: Path, then: str) -> subprocess.Popen:
    program = (
        "import sys, time\n"
        "from tests.tass_core.data.folder.small_datasets import *\n"
        f"with small_writer({str(path)!r}, force=True) as writer:\n"
        f"    fill(writer, content(7)); print('filled', flush=True)\n    {then}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_killed_writer_leaves_the_old_dataset_and_the_next_one_clears_up(tmp_path):
    first = write_small(tmp_path / "small")
    before = listing(first.folder)
    process = start_writer(tmp_path / "small", "time.sleep(60)")
    assert process.stdout.readline() == "filled\n"
    with pytest.raises(DataError, match="another process is writing the same dataset"):
        write_small(tmp_path / "small", force=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert listing(first.folder) == before
    assert len(list(tmp_path.iterdir())) == 2
    write_small(tmp_path / "small", force=True).verify()
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_full_disk_gives_a_message_and_leaves_nothing(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, before[1]))
    try:
        with pytest.raises(DataError, match=r"larger than allowed here.*nothing was changed"):
            write_small(tmp_path / "small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_disk_holds_is_refused_at_once(tmp_path):
    with pytest.raises(DataError, match="the disk is full"):
        write_small(tmp_path / "small", videos=10**9)
    assert list(tmp_path.iterdir()) == []


def test_file_in_place_of_the_parent_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="a file stands where a folder is needed"):
        write_small(tmp_path / "file" / "small")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda made: made["audio"].__setitem__((0, 0, 0), np.nan), "'video-0' audio: NaN"),
        (lambda made: made.update(clip=made["clip"][:, :7]), r"\[12, 4, 8\] numbers expected"),
        (
            lambda made: made.update(audio=made["audio"].astype(np.float32) * 1e6),
            "values beyond float16's 65504",
        ),
        (lambda made: made.update(text=made["text"][:2]), r"clip words: \[2, \*, 16\] numbers"),
        (lambda made: made.update(tokens=made["tokens"] + 2), "the vocabulary has 4 words"),
        (lambda made: made.update(tokens=made["tokens"] * 0), "1 to 3 words"),
        (lambda made: made.update(vectors=made["vectors"][:2]), r"\[4, D_w\] finite numbers"),
        (lambda made: made.update(word_count=np.array([2, 6, 1])), "1 to 5 words"),
        (lambda made: made.update(regions=made["regions"][:3]), "do not fit"),
    ],
)
def test_content_that_does_not_fit_is_refused_by_name(tmp_path, spoil, reason):
    made = content()
    spoil(made)
    with pytest.raises(DataError, match=reason):
        write(tmp_path / "small", made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("answer", [0, 42, 0, 0], "answer = 42 at row 1; allowed: 0 to 41"),
        ("type", [0, 0, -1, 0], "type = -1 at row 2"),
        ("video", [0, 0, 0, 5], "video = 5 at row 3; allowed: 0 to 4"),
        ("sentence", [3, 0, 0, 0], "sentence = 3 at row 0"),
        ("text", ["a"], "columns of different lengths"),
    ],
)
def test_questions_that_do_not_fit_are_refused_by_row(tmp_path, column, values, reason):
    with pytest.raises(DataError, match=reason):
        write(tmp_path / "small", content(), {**questions("val"), column: values})
    assert list(tmp_path.iterdir()) == []


def test_split_never_given_is_empty(tmp_path):
    dataset = write_one_video(tmp_path / "small", segments=2, splits=("test",))
    assert [len(dataset.questions(split)) for split in SPLITS] == [0, 0, 1]
    config = TrialConfig().replace("data.t2", 2)
    with pytest.raises(DataError, match="has no train questions"):
        dataset.check(config)
    dataset.check(config, splits=("test",))
