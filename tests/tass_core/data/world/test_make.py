"""Worlds: a function of their seed, in MUSIC-AVQA's proportions, with priors one can turn."""

import gzip
import json
from collections import Counter
from dataclasses import replace

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, QUESTION_TYPES
from tass_core.data.world.make import imagine, make_world
from tass_core.data.world.presets import SIZES
from tass_core.data.world.prototypes import make_prototypes
from tass_core.data.world.render import CLARITY, cover_all, render_visual
from tass_core.data.world.sampling import sample_scene
from tass_core.data.world.templates import TEMPLATES
from tass_core.errors import DataError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return open_dataset(make_world("tiny", tmp_path_factory.mktemp("world") / "tiny", seed=1))


def worlds(**changes):
    size = replace(SIZES["demo"], videos={"train": 250}, questions={"train": 2000})
    settings = {"seed": 5, "answer_bias": 0.5, "co_occurrence": 0.3} | changes
    return imagine(size, **settings)


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


def test_no_question_is_asked_twice_of_a_video(tiny):
    table = pq.read_table(tiny.folder / "questions-train.parquet").to_pylist()
    asked = Counter((row["video"], row["text"]) for row in table)
    assert max(asked.values()) == 1


def test_types_occur_as_often_as_in_the_real_test_file():
    asked = Counter(
        entry.asked.type
        for video in worlds()
        for found in video.questions.values()
        for entry in found
    )
    total, real = sum(asked.values()), sum(template.share for template in TEMPLATES)
    for kind in QUESTION_TYPES:
        share = sum(item.share for item in TEMPLATES if item.type == kind) / real
        assert asked[kind] / total == pytest.approx(share, abs=0.03), kind


def majority_share(videos):
    """Return how often the commonest answer of its template's first words is right."""
    by_template = {}
    for video in videos:
        for found in video.questions.values():
            for entry in found:
                words = [w for w in entry.asked.text.split() if w.rstrip("?") not in INSTRUMENTS]
                by_template.setdefault(" ".join(words), Counter())[entry.asked.answer] += 1
    right = sum(max(answers.values()) for answers in by_template.values())
    return right / sum(sum(answers.values()) for answers in by_template.values())


def test_answer_bias_turns_the_answer_prior():
    assert majority_share(worlds(answer_bias=1.0)) > majority_share(worlds(answer_bias=0.0)) + 0.05


def test_co_occurrence_turns_who_plays_with_whom():
    def meetings(videos):
        pairs = Counter()
        for video in videos:
            names = sorted({source.instrument for source in video.scene.sources})
            pairs.update((a, b) for i, a in enumerate(names) for b in names[i + 1 :])
        commonest = sum(count for _, count in pairs.most_common(30))
        return commonest / sum(pairs.values())

    assert meetings(worlds(co_occurrence=1.0)) > meetings(worlds(co_occurrence=0.0)) + 0.15


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


def test_words_lie_near_their_images_and_sounds_do_not():
    world = make_prototypes(0, text=64, visual={"clip": 64})
    looks, heard = world.visual["clip"].identity, world.heard
    half = len(INSTRUMENTS) // 2
    for other, aligned in ((world.named, True), (heard, False)):
        # A linear map fitted on half of the instruments finds the others' images, or does not.
        shared = np.linalg.lstsq(other, looks, rcond=1e-2)[0]
        assert np.isfinite(shared).all()
        gram, look_gram = np.corrcoef(other), np.corrcoef(looks)
        upper = np.triu_indices(2 * half, 1)
        agreement = np.corrcoef(gram[upper], look_gram[upper])[0, 1]
        assert (agreement > 0.5) == aligned


def test_pooling_while_rendering_is_the_mean_of_the_seconds():
    rng = np.random.default_rng(0)
    scene = sample_scene(rng, seconds=12, grid=(7, 7), co_occurrence=0.3)
    basis = make_prototypes(0, text=8, visual={"clip": 16}).visual["clip"]
    quiet = replace(CLARITY["clip"], noise=0.0)
    single, pooled = (
        render_visual(np.random.default_rng(1), scene, cover_all(scene), basis, quiet, pool=pool)
        for pool in (1, 6)
    )
    np.testing.assert_allclose(single.reshape(2, 6, 49, 16).mean(1), pooled, atol=1e-4)


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
