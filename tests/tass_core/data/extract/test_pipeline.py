"""Extraction of many videos: stopped, continued, and with bad files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tass_core.config import TrialConfig
from tass_core.data.extract.encoders import ARRAYS, LITE, RESNET
from tass_core.data.extract.extra import need
from tass_core.data.extract.parts import ExtractSettings
from tass_core.data.extract.pipeline import ExtractPlan, extract
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.music_avqa.vocabulary import TEMPLATES
from tass_core.errors import DataError
from tests.tass_core.data.extract.videos import make_video
from tests.tass_core.data.media.films import require_ingredients

VIDEOS = [f"{number:08d}" for number in range(3)]


def settings() -> ExtractSettings:
    """Of an encoder that is there: ResNet untrained, else the one from packages."""
    try:
        need("torchvision.models")
    except DataError:
        return ExtractSettings(encoders=(LITE,), seconds=4)
    return ExtractSettings(encoders=(RESNET,), seconds=4, untrained=True)


@pytest.fixture
def root(tmp_path):
    if LITE in settings().encoders:
        require_ingredients()
    (tmp_path / "videos").mkdir()
    for place, name in enumerate(VIDEOS):
        make_video(tmp_path / "videos" / f"{name}.mp4", 3 + place)
    for place, split in enumerate(("train", "val", "test")):
        asked = [
            {
                "video_id": VIDEOS[number % 3],
                "question_id": 100 * place + number,
                "type": '["Visual", "Location"]',
                "question_content": "Where is the performance?",
                "templ_values": "[]",
                "question_deleted": 0,
                "anser": "indoor",
            }
            for number in range(6)
        ]
        (tmp_path / f"avqa-{split}.json").write_text(json.dumps(asked))
    assert ("v_loc", "Where is the performance?") in TEMPLATES
    return tmp_path


def plan(root: Path, **changes) -> ExtractPlan:
    usual = {
        "questions": {split: root / f"avqa-{split}.json" for split in ("train", "val", "test")},
        "videos": root / "videos",
        "out": root / "made",
        "name": "made",
        "settings": settings(),
    }
    return ExtractPlan(**(usual | changes))


def test_videos_become_a_dataset_and_the_parts_go(root):
    done = []
    report = extract(plan(root), progress=lambda *now: done.append(now))
    dataset = open_dataset(root / "made")
    dataset.verify()
    assert (report.videos, dict(report.questions)) == (3, {"train": 6, "val": 6, "test": 6})
    assert done == [(1, 3), (2, 3), (3, 3)]
    config = TrialConfig().with_values({**dataset.base, "data.t2": 1})
    features = dataset.features(config)
    arrays = ARRAYS[settings().encoders[0]]
    assert features.visual.shape == (3, 4, arrays.regions, arrays.visual)
    np.testing.assert_array_equal(features.visual[0, 3], features.visual[0, 2])
    assert not dataset.invented
    assert not (root / "made.parts").exists()


def test_stopped_run_continues_with_the_videos_that_are_missing(root):
    def stop(done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(plan(root), progress=stop)
    assert not (root / "made").exists()
    done, said = [], []
    extract(plan(root), say=said.append, progress=lambda *now: done.append(now))
    assert done == [(3, 3)]
    assert "2 of 3 videos are done already" in said
    open_dataset(root / "made").verify()


def test_damaged_part_is_made_again(root):
    with pytest.raises(KeyboardInterrupt):
        extract(plan(root), progress=interrupt)
    (part,) = (root / "made.parts").rglob("*.npz")
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"damaged .* and removed; run the same command again"):
        extract(plan(root))
    assert not (root / "made").exists()
    assert extract(plan(root)).videos == 3


def interrupt(_done, _total):
    raise KeyboardInterrupt


def test_bad_video_stops_the_run_or_is_left_out(root):
    (root / "videos" / f"{VIDEOS[1]}.mp4").write_text("no video")
    (root / "videos" / f"{VIDEOS[2]}.mp4").unlink()
    with pytest.raises(DataError, match=rf"(?s)no file {VIDEOS[2]}\.mp4.*--skip-bad"):
        extract(plan(root))
    assert not (root / "made").exists()
    report = extract(plan(root, skip_bad=True))
    assert report.videos == 1
    rows = list(csv.DictReader((root / "made" / "left-out.csv").open()))
    reasons = {row["name"]: row["reason"] for row in rows if row["kind"] == "video"}
    assert set(reasons) == {VIDEOS[1], VIDEOS[2]}
    assert "cannot be decoded" in reasons[VIDEOS[1]]
    assert sum(row["kind"] == "question" for row in rows) == 12


def test_existing_dataset_is_refused_before_any_work(root):
    extract(plan(root))
    with pytest.raises(DataError, match="exists already"):
        extract(plan(root, settings=ExtractSettings(encoders=("clip",))))
