"""Batches of the tiny world: their features, their negatives, and workers' shares of them."""

import numpy as np
import pytest
import torch

from tass_core.batches.source import BatchSource
from tass_core.workers import Shard


def source_of(dataset, config, split="train", shard=None):
    return BatchSource(dataset.questions(split), dataset.features(config), config, shard)


def one_video(dataset):
    questions = dataset.questions("train")
    return questions.take(np.flatnonzero(questions.video == questions.video[0]))


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_reads_every_row_with_its_own_features(split, tiny, base):
    source, questions = source_of(tiny, base, split), tiny.questions(split)
    visual, audio = tiny.features(base).visual, tiny.features(base).audio
    seen = []
    for rows, batch in source.evaluation():
        seen += rows.tolist()
        np.testing.assert_array_equal(batch.answer, questions.answer[rows])
        for place, row in enumerate(rows):
            video = int(batch.video[place])
            np.testing.assert_array_equal(batch.visual[video], visual[questions.video[row]])
            np.testing.assert_array_equal(batch.audio[video], audio[questions.video[row]])
        assert batch.negatives is None
    assert sorted(seen) == list(range(len(questions)))


def test_workers_share_the_rows_of_evaluation_out(tiny, base):
    whole = [rows.tolist() for rows, _ in source_of(tiny, base).evaluation()]
    shares = [
        [rows.tolist() for rows, _ in source_of(tiny, base, shard=Shard(rank, 2)).evaluation()]
        for rank in range(2)
    ]
    assert sorted(shares[0] + shares[1]) == sorted(whole)


@pytest.mark.parametrize("negatives", ["batch", "dataset"])
def test_workers_parts_make_up_the_batch(negatives, tiny, base):
    config = base.replace("loss.negatives", negatives)
    whole = next(source_of(tiny, config).training(0, 1))
    parts = [next(source_of(tiny, config, shard=Shard(r, 3)).training(0, 1)) for r in range(3)]
    assert torch.equal(torch.cat([part.visual for part in parts]), whole.visual)
    assert sorted(torch.cat([part.rows for part in parts]).tolist()) == whole.rows.tolist()
    for name in ("source_video", "source_time") + (("visual",) if negatives == "dataset" else ()):
        joined = torch.cat([getattr(part.negatives, name) for part in parts])
        assert torch.equal(joined, getattr(whole.negatives, name)), name
    pairs = sum(len(part.negatives.pairs) for part in parts)
    assert pairs == len(whole.negatives.pairs) == len(whole.answer) * whole.visual.shape[1]


@pytest.mark.parametrize("negatives", ["batch", "dataset"])
def test_a_split_of_one_video_has_nothing_that_must_not_match(negatives, tiny, base):
    config = base.replace("loss.negatives", negatives)
    source = BatchSource(one_video(tiny), tiny.features(config), config)
    assert all(batch.negatives is None for batch in source.training(0, 1))


def test_frames_of_the_split_are_other_videos(tiny, base):
    config = base.replace("loss.negatives", "dataset")
    visual = torch.from_numpy(np.array(tiny.features(config).visual)).float()
    questions = tiny.questions("train")
    for batch in source_of(tiny, config).training(0, 1):
        for drawn, own in zip(batch.negatives.visual, batch.visual, strict=True):
            for frame in drawn:
                assert (visual == frame).all(dim=(2, 3)).any()
                assert not (own == frame).all(dim=(1, 2)).any()
    assert len(np.unique(questions.video)) > 1


def test_splits_read_into_one_memory(tiny, base):
    source = source_of(tiny, base)
    _, first = next(source.evaluation())
    _, second = next(source.of(tiny.questions("val")).evaluation())
    assert len(first.visual) >= len(second.visual)
    assert first.visual.data_ptr() == second.visual.data_ptr()
