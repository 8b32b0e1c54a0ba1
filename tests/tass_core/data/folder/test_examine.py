"""What a check finds in datasets that are whole, damaged, or written with a mistake."""

import h5py
import numpy as np
import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.examine import check_dataset, summarise
from tests.tass_core.data.folder.small_datasets import (
    VIDEOS,
    content,
    fill,
    questions,
    small_writer,
    write_small,
)


def errors(dataset):
    return [str(finding) for finding in check_dataset(dataset) if finding.level == "error"]


def change(dataset, array, place, value):
    with h5py.File(dataset.folder / "features.h5", "r+") as store:
        store[array][place] = value
    return open_dataset(dataset.folder)


def test_whole_dataset_has_no_errors_and_its_overlaps_are_named(tmp_path):
    findings = check_dataset(write_small(tmp_path / "small"))
    assert not [finding for finding in findings if finding.level == "error"]
    said = " ".join(finding.what for finding in findings)
    assert "3 videos are in both train and val" in said
    assert "2 videos have no question" in said


def test_every_part_is_announced_before_it_is_read(tmp_path):
    dataset = write_small(tmp_path / "small")
    parts = []
    check_dataset(dataset, parts.append)
    assert parts == list(dataset.description.checksums)


@pytest.mark.parametrize("array", ["clip/visual", "audio"])
def test_value_that_is_no_number_is_found_with_its_video(tmp_path, array):
    dataset = change(write_small(tmp_path / "small"), array, (2, 0, 0), np.nan)
    checksum, infinite = errors(dataset)
    assert checksum.startswith(f"features.h5/{array}: contents do not match the checksum")
    assert infinite == f"{array}: NaN or infinite values (video-2)"


def test_silent_video_is_a_warning(tmp_path):
    made = content()
    made["audio"][1] = 0
    with small_writer(tmp_path / "small") as writer:
        fill(writer, made)
        writer.finish()
    findings = check_dataset(open_dataset(tmp_path / "small"))
    (silent,) = [finding for finding in findings if "zero throughout" in finding.what]
    assert (silent.level, silent.count, silent.examples) == ("warning", 1, ("video-1",))


def test_repeated_question_ids_are_found(tmp_path):
    with small_writer(tmp_path / "small") as writer:
        fill(writer, content())
        writer.set_questions("val", **questions("train"))
        writer.finish()
    (found,) = errors(open_dataset(tmp_path / "small"))
    assert found == (
        "4 question ids stand for more than one question (0: train and val, 1: train and val, "
        "2: train and val, 3: train and val)"
    )


def test_figures_count_what_was_written(tmp_path):
    figures = summarise(write_small(tmp_path / "small", description="words for people"))
    assert figures["description"] == "words for people"
    assert figures["videos"] == VIDEOS
    assert figures["questions"] == {"train": 4, "val": 4, "test": 4}
    assert figures["types"]["val"]["av_exist"] == 2
    given = {answer: count for answer, count in figures["answers"].items() if count}
    assert given == {"yes": 3, "one": 3, "five": 3, "xylophone": 3}
