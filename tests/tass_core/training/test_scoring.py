"""How members are judged: what an epoch's validation and a trial's end measure."""

import pytest

from tass_core.checkpoints import load_checkpoint
from tass_core.evaluation.answering import evaluate
from tass_core.evaluation.grounding import grounding
from tass_core.training.pack import train_pack
from tass_core.trial import Trial


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
