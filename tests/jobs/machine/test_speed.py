"""torch's count of a step's arithmetic against a count by hand."""

from dataclasses import replace

import pytest

from jobs.machine.speed import CONFERENCE, PAPER, Data, step_flop
from tass_core.config import TrialConfig


def linear(rows, inputs, outputs, *, input_gradient=True):
    """A linear layer's products: forward, the weights' gradient and, asked for, the input's."""
    return 2.0 * rows * inputs * outputs * (3 if input_gradient else 2)


def by_hand(config, shapes):
    """TASS as section 3 has it: CLIP's sentence, single stream, negatives of the batch."""
    model, b, t = config.model, config.optimiser.batch_size, shapes.segments
    d, frames = model.width, b * shapes.segments
    match = model.spatial_grounding and model.target_aware and config.loss.match
    pairs = (2 if match else 1) * frames
    total = linear(frames, shapes.audio, d, input_gradient=False) + linear(frames, d, d)
    total += linear(b, shapes.text, d, input_gradient=False)
    total += linear(b, 2 * d, d) + linear(b, d, shapes.answers)
    maps = frames * (shapes.regions if model.spatial_grounding else 1)
    total += linear(maps, shapes.visual, d, input_gradient=False)  # the features are frozen
    if model.spatial_grounding:
        # Scores of audio and target, sums of mean and attended regions: a product each with the
        # map, and two backward, for the rows and for the map.
        total += 3 * 2.0 * maps * d * (4 + 3 if match else 2 + 2)
        # Each half of a joined layer on its own rows: the frame's once, the target's for each pair.
        total += linear(frames, d, d) + linear(pairs, d, d)
    if match:
        total += linear(frames, d, d)  # Eq. 7: the sound's half of the first layer
        for inputs, outputs in ((d, d), (d, d // 2), (d // 2, d // 4), (d // 4, 2)):
            total += linear(pairs, inputs, outputs)
    if model.temporal_grounding:
        # Two bi-directional LSTMs of d / 2 a direction; one query, which needs no keys and values
        # of the 2T segments: a layer's work each for the query's key, the sum's value and four
        # more, and scores and sums of every head.
        total += 2 * 2 * (linear(frames, d, 2 * d) + linear(frames, d // 2, 2 * d))
        total += 6 * linear(b, d, d) + 2 * 3 * 2.0 * b * 2 * t * model.heads * d
    return total


@pytest.mark.parametrize(
    "change",
    [{}, {"model.temporal_grounding": False}, {"loss.match": False}, {"model.width": 256}],
)
def test_the_count_is_that_by_hand(change):
    config = TrialConfig().with_values(change)
    assert step_flop(config, PAPER) == pytest.approx(by_hand(config, PAPER), rel=0.01)


def test_bfloat16_has_the_arithmetic_of_float32():
    config = TrialConfig().with_values({"model.width": 32, "optimiser.batch_size": 4})
    shapes = replace(PAPER, regions=4, visual=16)
    bf16 = config.replace("optimiser.precision", "bf16")
    assert Data.random(bf16, shapes).flop() == Data.random(config, shapes).flop() > 0


def test_any_system_and_encoder_is_counted():
    for change in ({"model.encoder": "resnet18-glove"}, {"model.target": "word_soft"}):
        config = TrialConfig().with_values(change)
        shapes = CONFERENCE if "model.encoder" in change else PAPER
        assert step_flop(config, shapes) > 0
