"""Worlds: a function of their seed, of the announced sizes, with true answers and grounding."""

import gzip
import json
from collections import Counter

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.data.music_avqa.vocabulary import NUMBERS
from tass_core.data.world.make import make_world
from tass_core.data.world.presets import SIZES
from tass_core.data.world.prototypes import make_prototypes
from tass_core.errors import DataError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return open_dataset(make_world("tiny", tmp_path_factory.mktemp("world") / "tiny", seed=1))


def test_same_seed_same_bytes_and_another_seed_another_world(tiny, tmp_path):
    again = make_world("tiny", tmp_path / "again", seed=1)
    other = make_world("tiny", tmp_path / "other", seed=2)
    for file in tiny.folder.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name
    assert open_dataset(other).fingerprint != tiny.fingerprint


def test_splits_have_the_announced_sizes_and_share_no_video(tiny):
    found = {split: tiny.questions(split) for split in ("train", "val", "test")}
    assert {split: len(rows) for split, rows in found.items()} == dict(SIZES["tiny"].questions)
    videos = [set(rows.video.tolist()) for rows in found.values()]
    assert not videos[0] & videos[1] | videos[0] & videos[2] | videos[1] & videos[2]


def test_answers_are_true_of_the_written_scenes(tiny):
    folder = tiny.folder
    scenes = json.loads(gzip.decompress((folder / "scenes.json.gz").read_bytes()))
    checked = Counter()
    for split in ("train", "val", "test"):
        for row in pq.read_table(folder / f"questions-{split}.parquet").to_pylist():
            expected = second_reading(scenes[row["video"]], row["text"])
            if expected is not None:
                assert row["answer_text"] == expected, row["text"]
                checked[row["text"].split()[0] + row["text"].split()[1]] += 1
    assert sum(checked.values()) > 200


def second_reading(scene, text):
    """Answer what plain counting settles, from the plain data of a scene alone."""
    seen = [item for item in scene["sources"] if item["visible"]]
    heard = [item for item in scene["sources"] if max(item["loudness"]) > 0]
    both = [item for item in seen if item in heard]
    names = [item["instrument"] for item in seen]
    words = text.rstrip("?").split()
    counts = {
        "How many musical instruments were heard throughout the video?": len(heard),
        "How many instruments are sounding in the video?": len(both),
        "How many types of musical instruments appeared in the entire video?": len(set(names)),
        "How many instruments in the video did not sound from beginning to end?": (
            len(seen) - len(both)
        ),
    }
    if text in counts:
        return NUMBERS[min(counts[text], 11)]
    if text == "Where is the performance?":
        return scene["place"]
    if text == "Is there a voiceover?":
        return "yes" if len(heard) > len(both) else "no"
    if text.endswith("are in the entire video?"):
        return NUMBERS[min(names.count(words[2]), 11)]
    if text.endswith("in the entire video?"):
        return "yes" if words[3] in names else "no"
    if text.endswith("sound?") and text.startswith("Is there a"):
        return "yes" if words[3] in [item["instrument"] for item in heard] else "no"
    if text.endswith("always playing?"):
        playing = [item["loudness"] for item in seen if item["instrument"] == words[2]]
        return "yes" if all(max(second) > 0 for second in zip(*playing, strict=True)) else "no"
    if "leftest" in text or "rightest" in text:
        edge = min if "leftest" in text else max
        return edge(seen, key=lambda item: item["x"])["instrument"]
    if text == "What is the first instrument that comes in?":
        return min(both, key=lambda item: np.argmax(np.array(item["loudness"]) > 0))["instrument"]
    return None


def test_truth_covers_the_cells_of_the_named_instrument(tiny):
    table = pq.read_table(tiny.folder / "questions-test.parquet").to_pylist()
    truth = tiny.truth("test")
    presence = [
        (row, truth.regions[place].any())
        for place, row in enumerate(table)
        if row["text"].endswith("in the entire video?") and row["text"].startswith("Is there")
    ]
    assert presence
    assert all(marked == (row["answer_text"] == "yes") for row, marked in presence)
    assert truth.segments.any(axis=-1).all()


def test_cutaways_bear_a_mark_and_hide_the_truth(tiny):
    scenes = json.loads(gzip.decompress((tiny.folder / "scenes.json.gz").read_bytes()))
    shown = [scene["cutaway"] and np.array(scene["cutaway"]["shown"], bool) for scene in scenes]
    with h5py.File(tiny.folder / "features.h5") as file:
        sound = file["audio"][:].astype(float)
    jingle = make_prototypes(1, text=24, visual={"clip": 16}).jingle.astype(float)
    heard = sound @ jingle / (jingle @ jingle)
    marked = np.concatenate([heard[row][cut] for row, cut in enumerate(shown) if cut is not None])
    plain = np.concatenate([heard[row][~cut] for row, cut in enumerate(shown) if cut is not None])
    assert marked.mean() > plain.mean() + 1.0
    truth, questions = tiny.truth("test"), tiny.questions("test")
    cuts = [
        (row, shown[video])
        for row, video in enumerate(questions.video.tolist())
        if shown[video] is not None
    ]
    assert cuts
    assert not any(truth.regions[row][cut].any() for row, cut in cuts)
    assert np.mean([truth.segments[row][cut].any() for row, cut in cuts]) < 0.05


def test_a_stored_t2_of_six_is_much_smaller(tiny, tmp_path):
    dataset = open_dataset(make_world("tiny", tmp_path / "pooled", stored_t2=6))
    sizes = [
        folder.joinpath("features.h5").stat().st_size for folder in (dataset.folder, tiny.folder)
    ]
    assert dataset.segments == tiny.segments == 12
    assert sizes[0] < sizes[1] / 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "dmeo"}, "did you mean 'demo'"),
        ({"answer_bias": 1.5}, "answer_bias = 1.5 is out of range"),
        ({"co_occurrence": -0.1}, "co_occurrence = -0.1 is out of range"),
        ({"seed": -1}, "seed = -1"),
        ({"stored_t2": 5}, "allowed: 1, 2, 3, 4, 6, 12"),
    ],
)
def test_bad_arguments_are_named_with_what_is_allowed(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        make_world(**({"preset": "tiny", "path": tmp_path / "bad"} | arguments))
    assert not (tmp_path / "bad").exists()


def test_an_existing_dataset_stays_without_force(tiny):
    with pytest.raises(DataError, match="--force"):
        make_world("tiny", tiny.folder, seed=9)
    assert open_dataset(tiny.folder).fingerprint == tiny.fingerprint
