"""How members are judged: what an epoch's validation and a trial's end measure."""

import pytest

from tass_core.checkpoints import load_checkpoint
from tass_core.config import TrialConfig
from tass_core.evaluation.answering import evaluate
from tass_core.evaluation.grounding import grounding
from tass_core.evaluation.predictions import read_predictions
from tass_core.training.pack import train_pack
from tass_core.trial import Trial
from tests.tass_core.data.folder.small_datasets import FURTHER, write_small


def test_grounding_is_scored_on_validation_by_epoch_and_kept_of_the_best(tiny, base, tmp_path):
    *epochs, end = train_pack([Trial(base, 0)], tiny, folder=tmp_path)

    names = {"val/ground/spatial", "val/ground/temporal"}
    names |= {"val/asynchrony", "val/audio_focus"}
    assert all(names <= epoch.metrics.keys() for epoch in epochs)
    assert {"test/asynchrony", "test/audio_focus"} <= end.metrics.keys()
    best = load_checkpoint(end.weights)
    found = evaluate(best.model, tiny, base.canonical(), "val")
    shapes = tiny.shapes(base)
    truth = tiny.truth("val", segments=shapes.segments, regions=shapes.regions)
    for name, value in grounding(found, truth).items():
        assert end.metrics[f"val/{name}"] == pytest.approx(value, abs=1e-4)
        assert end.metrics[f"val/{name}"] == epochs[end.best_epoch - 1].metrics[f"val/{name}"]


def test_a_network_without_attention_has_no_grounding(tiny, base, tmp_path):
    blind = base.vary({"model.spatial_grounding": False, "optimiser.epochs": 1})

    epoch, end = train_pack([Trial(blind, 0)], tiny, folder=tmp_path)

    assert "val/ground/spatial" not in {*epoch.metrics, *end.metrics}
    assert "val/ground/temporal" in end.metrics


def test_a_further_test_is_answered_at_the_end_and_changes_nothing_else(tmp_path):
    plain = write_small(tmp_path / "plain")
    further = write_small(tmp_path / "further", further_tests=(FURTHER,))
    config = TrialConfig().with_values(
        {"data.t2": 1, "model.width": 16, "optimiser.epochs": 1, "optimiser.step_size": 1}
    )
    _, usual = train_pack([Trial(config, 0)], plain, folder=tmp_path / "a")
    _, end = train_pack([Trial(config, 0)], further, folder=tmp_path / "b")

    own = {name for name in end.metrics if name.startswith(f"test/{FURTHER}/")}
    timed = {"questions_per_s"}
    assert {name: end.metrics[name] for name in end.metrics.keys() - own - timed} == {
        name: usual.metrics[name] for name in usual.metrics.keys() - timed
    }
    found = evaluate(load_checkpoint(end.weights).model, further, config, FURTHER)
    assert {f"test/{FURTHER}/{name}" for name in found.metrics} < own
    assert end.metrics[f"test/{FURTHER}/all"] == found.metrics["all"]
    assert f"test/{FURTHER}/ground/spatial" in own
    kept = read_predictions(end.predictions)
    assert [part.split for part in (kept, *kept.further)] == ["test", FURTHER]
    assert kept.on(FURTHER).predicted.tolist() == (
        found.predictions(FURTHER, further).predicted.tolist()
    )
