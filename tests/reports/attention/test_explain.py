"""Explanations come from the network itself, and the pictures show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.attention.draw import describe, draw
from reports.attention.explain import examples, explain, read_frames
from tass_core.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.world.make import make_world
from tass_core.errors import ReportError
from tass_core.evaluation.answering import evaluate
from tass_core.systems import build_network
from tass_core.trial import Trial
from tests.tass_core.data.extract.videos import make_video


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(make_world("tiny", tmp_path_factory.mktemp("world") / "tiny", seed=3))


def checkpoint(world: Dataset, folder: Path, **changes: object) -> Checkpoint:
    values = {name.replace("__", "."): value for name, value in changes.items()}
    config = TrialConfig().with_values({**world.base, **values})
    save_checkpoint(
        folder / "c", build_network(config, world.shapes(config)), Trial(config, 0), world, {}
    )
    return load_checkpoint(folder / "c")


def test_the_explained_answer_is_the_evaluated_one(world: Dataset, tmp_path: Path) -> None:
    loaded = checkpoint(world, tmp_path)
    found = evaluate(loaded.model, world, loaded.trial.config, "test")
    for row in (0, 17, 60):
        explained = explain(loaded, world, int(found.questions.question_id[row]))
        assert explained.predicted == world.answers[found.predicted[row]]
        assert explained.spatial is not None
        assert found.spatial is not None
        assert explained.spatial.argmax(axis=1).tolist() == found.spatial[row].tolist()


def test_weights_are_distributions(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path), world, examples(world)["av_loc"])
    assert found.spatial is not None
    assert found.audio is not None
    assert found.visual is not None
    assert found.spatial.sum(axis=1) == pytest.approx(np.ones(found.segments), abs=1e-5)
    assert float(found.audio.sum() + found.visual.sum()) == pytest.approx(1.0, abs=1e-5)


def test_another_systems_attention_is_shown_alike(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path, system="avst"), world, examples(world)["av_loc"])
    assert found.spatial is not None
    assert found.audio is not None
    assert found.visual is not None
    for total in (*found.spatial.sum(axis=1), found.audio.sum(), found.visual.sum()):
        assert float(total) == pytest.approx(1.0, abs=1e-5)


def test_a_tile_for_every_segment_and_three_bars(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path, data__t2=2), world, examples(world)["v_loc"])
    figure = draw(found)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert titles == ["0–2 s", "2–4 s", "4–6 s", "6–8 s", "8–10 s", "10–12 s"]
    assert len(labels) == 3


def test_a_cutaway_is_drawn_in_place_of_the_performance(world: Dataset, tmp_path: Path) -> None:
    loaded = checkpoint(world, tmp_path, data__t2=1)
    for question in world.questions("test").question_id.tolist():
        found = explain(loaded, world, question)
        if found.stage.cut is not None:
            break
    titles = [axis.get_title() for axis in draw(found).axes if axis.get_title()]
    assert [title.endswith("(cutaway)") for title in titles] == found.stage.cut.tolist()
    assert any(found.stage.cut)


def test_variants_without_a_module_are_drawn_without_it(world: Dataset, tmp_path: Path) -> None:
    loaded = checkpoint(
        world, tmp_path, model__spatial_grounding=False, model__temporal_grounding=False
    )
    found = explain(loaded, world, examples(world)["a_count"])
    assert (found.spatial, found.audio, found.visual) == (None, None, None)
    assert any(
        "no temporal grounding" in text.get_text()
        for axis in draw(found).axes
        for text in axis.texts
    )


def test_the_words_say_question_answers_and_times(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path), world, examples(world)["av_exist"])
    words = describe(found)
    assert found.question in words
    assert f"Answer: {found.answer}; predicted: {found.predicted}" in words
    assert "Largest audio weight: seconds" in words


def test_frames_stand_in_for_the_stage(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path), world, examples(world)["v_loc"])
    folder = tmp_path / "frames" / found.video
    folder.mkdir(parents=True)
    for second in range(12):
        Image.new("RGB", (8, 8), (20 * second, 0, 0)).save(folder / f"{second:03d}.png")
    frames = read_frames(tmp_path / "frames", found)
    assert [round(255 * frame[0, 0, 0].item()) for frame in frames] == [60, 180]
    tiles = [axis for axis in draw(found, frames).axes if axis.images and axis.patches]
    for tile in tiles[:2]:
        assert tile.images[0].get_zorder() > tile.patches[0].get_zorder()


def test_a_video_gives_its_frames(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path), world, examples(world)["v_loc"])
    make_video(tmp_path / f"{found.video}.mp4", 12)
    greys = [frame.mean() for frame in read_frames(tmp_path, found)]
    assert greys == pytest.approx([60, 180], abs=6)


def test_missing_frames_are_named(world: Dataset, tmp_path: Path) -> None:
    found = explain(checkpoint(world, tmp_path), world, examples(world)["v_loc"])
    with pytest.raises(ReportError, match=r"no \.jpg or \.png in"):
        read_frames(tmp_path, found)


def test_an_unknown_question_is_refused_with_examples(world: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"--question 5 is not among .* for instance a_count"):
        explain(checkpoint(world, tmp_path), world, 5)


def test_another_dataset_is_refused(world: Dataset, tmp_path: Path) -> None:
    other = open_dataset(make_world("tiny", tmp_path / "other", seed=4))
    with pytest.raises(ReportError, match="was trained on dataset 'tiny'"):
        explain(checkpoint(world, tmp_path), other, 10001)
