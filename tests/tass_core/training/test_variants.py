"""Every variant of the paper's tables trains an epoch on the tiny world."""

import math

import pytest

from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, TrialResult
from tass_core.trial import Trial

VARIANTS = {
    "full": {},
    "w/o T-A": {"model.target_aware": False},
    "w/o L_s": {"loss.match": False},
    "w/o L_cms": {"loss.cms": "none"},
    "w/o TSG+": {"model.spatial_grounding": False},
    "w/o JTG": {"model.temporal_grounding": False},
    "question only": {"model.spatial_grounding": False, "model.temporal_grounding": False},
    "stride": {"data.pooling": "stride"},
    "every segment": {"data.t2": 1},
    "two segments": {"data.t2": 6},
    "mul": {"model.merge": "mul", "model.tau": 0.02},
    "max": {"model.merge": "max"},
    "tau 0": {"model.tau": 0.0},
    "lambda 1": {"loss.lambda_s": 1.0},
    "dual": {"model.structure": "dual"},
    "dual w/o cms": {"model.structure": "dual", "loss.cms": "none"},
    "legacy": {"loss.cms": "legacy"},
    "bare halves": {"loss.renormalise": False},
    "glove": {"model.encoder": "resnet18-glove"},
    "glove soft": {"model.encoder": "resnet18-glove", "model.target": "word_soft"},
    "glove argmax": {"model.encoder": "resnet18-glove", "model.target": "word_argmax"},
    "clip soft": {"model.target": "word_soft"},
    "clip argmax": {"model.target": "word_argmax"},
    "sinusoidal": {"model.position": "sinusoidal"},
    "learned": {"model.position": "learned"},
    "cat-av": {"model.position": "learned", "model.ordering": "cat-av"},
    "negatives of the split": {"loss.negatives": "dataset"},
    "video batches": {"data.batching": "video"},
    "stage 1": {"model.init_from": "match", "model.pretrain_epochs": 1},
    "bf16": {"optimiser.precision": "bf16"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_trains_an_epoch(name, tiny, base, tmp_path):
    config = base.with_values({"optimiser.epochs": 1, **VARIANTS[name]})
    events = list(train_pack([Trial(config, 0)], tiny, folder=tmp_path))
    assert [type(event) for event in events] == [EpochResult, TrialResult]
    epoch, end = events
    assert end.status == "finished"
    assert all(math.isfinite(value) for value in [*epoch.metrics.values(), *end.metrics.values()])
    assert (epoch.metrics["train/loss_cms"] != 0.0) == (config.canonical().loss.cms != "none")
    assert (epoch.metrics["train/loss_s"] != 0.0) == config.canonical().loss.match
