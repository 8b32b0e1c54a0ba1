"""Example batches hold what is asked for, laid out as batches of a dataset are."""

from typing import get_args

import pytest
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.batches.order import slots_of
from tass_core.systems.protocol import ArrayName, Needs

EVERYTHING = frozenset(get_args(ArrayName))


@pytest.mark.parametrize("negatives", ["none", "batch", "dataset"])
@pytest.mark.parametrize("arrays", [EVERYTHING, EVERYTHING - {"tokens"}, frozenset()])
def test_a_batch_holds_what_is_needed_and_nothing_more(arrays, negatives):
    needs = Needs("clip", arrays, negatives)
    batch = example_batch(needs, example_shapes(needs))
    assert {name for name in EVERYTHING if getattr(batch, name) is not None} == arrays
    assert (batch.word_count is not None) == bool(arrays)
    assert (batch.negatives is not None) == (negatives != "none")
    if batch.negatives is not None:
        assert (batch.negatives.visual is not None) == (negatives == "dataset")


def test_questions_have_the_slots_and_the_padding_of_a_datasets():
    needs = Needs("clip", EVERYTHING)
    batch = example_batch(needs, example_shapes(needs), (1, 0, 1, 1, 2))
    slot, slots = slots_of(batch.video.numpy())
    assert (batch.slot.tolist(), batch.slots) == (slot.tolist(), slots)
    padding = torch.arange(batch.tokens.shape[1]) >= batch.word_count[:, None]
    assert padding.any()
    assert not batch.tokens[padding].any()
    assert not batch.words[padding].any()


def test_every_question_segment_is_asked_once_about_another_videos_frame():
    needs = Needs("clip", EVERYTHING, "batch")
    batch = example_batch(needs, example_shapes(needs), (0, 1, 1, 2))
    asking, segments = batch.negatives.source_video, batch.audio.shape[1]
    assert not (asking == torch.arange(3)[:, None]).any()
    assert len(batch.negatives.pairs) == 4 * segments
    alone = example_batch(needs, example_shapes(needs), (0, 0))
    assert alone.negatives is None


def test_features_without_memory_are_on_meta():
    needs = Needs("clip", EVERYTHING, "dataset")
    batch = example_batch(needs, example_shapes(needs), device="meta")
    for tensor in (batch.visual, batch.audio, batch.words, batch.negatives.visual):
        assert tensor.device.type == "meta"
    assert batch.video.device.type == "cpu"
