"""Reading a dataset: pooling, the shared cache, truth, and damage met at the door."""

import json
import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.description import SPLITS
from tass_core.errors import DataError
from tests import ROOT
from tests.tass_core.data.folder.small_datasets import (
    SEGMENTS,
    VIDEOS,
    content,
    write_one_video,
    write_small,
)


@pytest.fixture
def dataset(tmp_path):
    return write_small(tmp_path / "small")


def config(**values):
    return TrialConfig().with_values({name.replace("__", "."): v for name, v in values.items()})


@pytest.mark.parametrize("t2", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("pooling", ["mean", "stride"])
def test_pooling_is_the_mean_or_the_first_of_every_t2(dataset, t2, pooling):
    found = dataset.features(config(data__t2=t2, data__pooling=pooling))
    for array, name in ((found.visual, "clip"), (found.audio, "audio")):
        whole = content()[name].astype(np.float64)
        pooled = [whole[:, s : s + t2] for s in range(0, SEGMENTS, t2)]
        wanted = [p.mean(axis=1) if pooling == "mean" else p[:, 0] for p in pooled]
        np.testing.assert_allclose(array, np.stack(wanted, axis=1), atol=2e-3)
        assert array.dtype == np.float16
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_shapes_follow_encoder_and_t2(dataset):
    clip = dataset.shapes(config(data__t2=6))
    glove = dataset.shapes(config(data__t2=3, model__encoder="resnet18-glove"))
    assert (clip.segments, clip.regions, clip.visual, clip.audio) == (2, 4, 8, 128)
    assert (clip.text, clip.words, clip.vocabulary, clip.answers) == (16, 5, 0, 42)
    assert (glove.segments, glove.regions, glove.visual) == (4, 16, 6)
    assert (glove.text, glove.words, glove.vocabulary) == (0, 3, 4)


def test_stored_pooled_features_are_used_as_they_lie(tmp_path):
    dataset = write_small(tmp_path / "small", stored_t2=3)
    assert dataset.segments == SEGMENTS
    found = dataset.features(config(data__t2=3))
    np.testing.assert_array_equal(found.visual, content(stored=4)["clip"])
    assert not (dataset.folder / "cache").exists()
    further = dataset.features(config(data__t2=6)).visual
    halves = content(stored=4)["clip"].astype(np.float32).reshape(VIDEOS, 2, 2, 4, 8)
    np.testing.assert_allclose(further, halves.mean(axis=2), atol=2e-3)


@pytest.mark.parametrize(
    ("stored_t2", "values", "reason"),
    [
        (1, {"data__t2": 5}, r"data\.t2 = 5 .*allowed here: 1, 2, 3, 4, 6, 12"),
        (3, {"data__t2": 2}, r"stored pooled over 3\); allowed here: 3, 6, 12"),
        (3, {"data__t2": 3, "data__pooling": "stride"}, "stored pooled .*allowed here: mean"),
    ],
)
def test_config_that_does_not_fit_is_refused_with_what_would(tmp_path, stored_t2, values, reason):
    dataset = write_small(tmp_path / "small", stored_t2=stored_t2)
    with pytest.raises(DataError, match=reason):
        dataset.check(config(**values))
    with pytest.raises(DataError, match=reason):
        dataset.features(config(**values))


def test_word_target_and_encoder_need_their_features(tmp_path):
    dataset = write_one_video(tmp_path / "plain", segments=6, splits=SPLITS)
    dataset.check(config())
    with pytest.raises(DataError, match=r"the words of encoder 'clip'.*has: sentence, visual"):
        dataset.check(config(model__target="word_soft"))
    dataset.check(config(model__target="word_soft", model__target_aware=False))
    with pytest.raises(DataError, match=r"has no features of it; allowed here: clip"):
        dataset.check(config(model__encoder="resnet18-glove"))


def test_truth_is_pooled_by_any_and_split_in_order(dataset):
    made = content()
    whole = dataset.truth("val")
    np.testing.assert_array_equal(whole.regions, made["regions"])
    np.testing.assert_array_equal(whole.segments, made["segments"])
    pooled = dataset.truth("test", segments=4)
    np.testing.assert_array_equal(pooled.regions, made["regions"].reshape(-1, 4, 3, 4).any(axis=2))
    finer = dataset.truth("train", regions=16).regions.reshape(-1, SEGMENTS, 4, 4)
    np.testing.assert_array_equal(finer[..., ::2, ::2].reshape(whole.regions.shape), whole.regions)
    np.testing.assert_array_equal(finer[..., 1::2, 1::2], finer[..., ::2, ::2])
    with pytest.raises(DataError, match="12 are no multiple"):
        dataset.truth("val", segments=5)


RACE = """
import sys
import numpy as np
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
dataset = open_dataset(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
found = dataset.features(TrialConfig())
print(float(np.asarray(found.visual, dtype=np.float64).sum()))
"""


def race(dataset, count):
    """Let processes that have the dataset open ask for its features at one moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(dataset.folder)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return [float(output) for output in outputs]


def test_two_processes_make_one_cache(dataset):
    sums = race(dataset, 2)
    expected = np.asarray(dataset.features(config()).visual, dtype=np.float64).sum()
    assert sums == [expected, expected]
    kept = sorted(path.suffix for path in (dataset.folder / "cache").iterdir())
    assert kept == [".lock", ".lock", ".npy", ".npy"]


def test_damaged_cache_is_made_again(dataset):
    expected = np.array(dataset.features(config()).visual)
    for path in (dataset.folder / "cache").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:200])
    np.testing.assert_array_equal(open_dataset(dataset.folder).features(config()).visual, expected)


def test_cache_goes_elsewhere_when_the_folder_takes_none(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("TASS_CACHE", str(tmp_path / "elsewhere"))
    (dataset.folder / "cache").write_text("in the way")
    found = dataset.features(config()).visual
    assert found.shape == (VIDEOS, 2, 4, 8)
    assert (tmp_path / "elsewhere" / dataset.fingerprint).is_dir()


def test_pickled_dataset_opens_the_same_folder(dataset):
    dataset.features(config())
    sent = pickle.dumps(dataset)
    assert len(sent) < 1000
    assert pickle.loads(sent).fingerprint == dataset.fingerprint


def test_repeated_requests_share_their_arrays(dataset):
    assert dataset.features(config()) is dataset.features(config(model__tau=0.1))
    assert dataset.questions("val") is dataset.questions("val")


@pytest.mark.parametrize(
    "name",
    ["dataset.json", "features.h5", "videos.parquet", "questions-val.parquet", "truth.h5"],
)
@pytest.mark.parametrize("damage", ["missing", "truncated", "garbage"])
def test_damaged_file_is_named_when_opened_or_verified(dataset, name, damage):
    path = dataset.folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"no" * 500)
    with pytest.raises(DataError, match=name if damage != "missing" else f"{name}|no dataset"):
        open_dataset(dataset.folder).verify()


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_flipped_bit_is_found_by_verify(dataset, place):
    path = dataset.folder / "features.h5"
    with h5py.File(path) as store:
        array = store["clip/visual"]
        offset, size = array.id.get_offset(), array.id.get_storage_size()
    spoilt = bytearray(path.read_bytes())
    spoilt[offset + int(size * place)] ^= 1
    path.write_bytes(spoilt)
    opened = open_dataset(dataset.folder)
    with pytest.raises(DataError, match="clip/visual: contents do not match the checksum"):
        opened.verify()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 9}, "format 9; this version reads format 1"),
        ({"segments": 7}, "fingerprint"),
        ({"stored_t2": 5}, "does not divide"),
        ({"encoders": {}}, "names no encoder"),
        ({"videos": -1}, "-1 is not a whole number"),
        ({"provenance": "rumour"}, "provenance 'rumour' is not one of"),
        ({"answers": ["yes", "yes"]}, "answers are empty or repeat"),
        ({"vocabulary": 3}, "field missing or of the wrong kind"),
    ],
)
def test_damaged_description_says_what_is_wrong(dataset, change, reason):
    path = dataset.folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=reason):
        open_dataset(dataset.folder)


def test_no_dataset_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="tass-cli data make"):
        open_dataset(tmp_path / "nothing")
