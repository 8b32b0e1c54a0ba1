"""From nothing to a picture of attention through real mp4 files, as a person types it."""

import os
import re
import subprocess
import sys

import pytest

from tass_core.data.folder.dataset import open_dataset
from tests import ROOT
from tests.tass_core.data.media.films import require_ingredients

pytestmark = pytest.mark.system

ORIGIN = "rendered from clip art and soundfonts, pretrained encoders; not MUSIC-AVQA"
SMALL = ("--set", "model.width=32", "--set", "optimiser.epochs=2", "--set", "optimiser.step_size=1")


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Type a command in a folder of its own and return what it prints."""
    require_ingredients()
    folder = tmp_path_factory.mktemp("media")

    def type_in(*words):
        words = [str(word) for word in words]
        program = [sys.executable, "-m", "cli", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            program, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    type_in("data", "render", "--preset", "tiny", "--output", "media")
    questions = sorted(folder.glob("media/avqa-*.json"))
    extract = ("data", "extract", "--encoder", "lite", "--videos", "media/videos")
    type_in(*extract, "--questions", *questions, "--output", "data/rendered")
    type_in.folder = folder
    return type_in


def test_a_rendered_world_is_trained_evaluated_and_shown(typed):
    assert "0 errors" in typed("data", "check", "data/rendered")
    out = typed("train", "--data", "data/rendered", *SMALL, "--output", "run")
    assert ORIGIN in out
    checkpoint = next(typed.folder.glob("run/**/model.safetensors")).parent
    for name in ("test", "unseen-pictures", "unseen-soundfont"):
        assert f"{name.replace('-', ' ').capitalize()} accuracy at epoch" in out
        found = typed("evaluate", checkpoint, "--data", "data/rendered", "--split", name)
        assert ORIGIN in found
        assert re.search(r"All\s+│?\s*\d+", found)
    question = open_dataset(typed.folder / "data/rendered").questions("test").question_id[0]
    drawn = typed(
        *("show", checkpoint, "--data", "data/rendered", "--question", question),
        *("--frames", "media/videos", "--output", "figures"),
    )
    assert f"question-{question}.png" in drawn


def test_the_truth_of_every_question_is_in_the_dataset(typed):
    dataset = open_dataset(typed.folder / "data/rendered")
    assert dataset.tests == ("test", "unseen-pictures", "unseen-soundfont")
    for split in dataset.splits:
        truth = dataset.truth(split, segments=12, regions=49)
        questions = dataset.questions(split)
        assert len(truth.regions) == len(questions.question_id)
        assert truth.segments.any(axis=1).all()
        assert truth.regions.any(axis=(1, 2)).mean() > 0.5
    assert dataset.description.notes["recipe"]["preset"] == "tiny"
    assert dataset.description.notes["encoded by"]["minilm"]["licence"].startswith("Apache-2.0")
