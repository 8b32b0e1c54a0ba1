"""The order of an epoch and the pairs that must not match, as statements about indices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tass_core.batches.order import (
    epoch_order,
    filled_slots,
    negatives_of_batch,
    negatives_of_split,
    slots_of,
    whole_videos,
)
from tass_core.config import TrialConfig
from tass_core.data.folder.records import Questions

videos_of_questions = st.lists(st.integers(0, 9), min_size=1, max_size=60).map(np.array)
seeds = st.integers(0, 2**31 - 1)


def asked(video):
    rows = np.arange(len(video))
    return Questions(question_id=rows, video=video, sentence=rows, answer=rows, type=rows)


def config(size, batching="question"):
    return TrialConfig().with_values({"optimiser.batch_size": size, "data.batching": batching})


@given(videos_of_questions, seeds, st.integers(1, 20), st.sampled_from(["question", "video"]))
def test_an_epoch_asks_every_question_once(video, seed, size, batching):
    batches = epoch_order(asked(video), config(size, batching), seed, 1)
    assert sorted(np.concatenate(batches)) == list(range(len(video)))
    assert all(len(batch) >= min(size, len(video)) for batch in batches[:-1])


@given(videos_of_questions, seeds, st.integers(1, 20))
def test_batches_of_questions_are_full_but_the_last(video, seed, size):
    sizes = [len(batch) for batch in epoch_order(asked(video), config(size), seed, 1)]
    assert set(sizes[:-1]) <= {size}
    assert 1 <= sizes[-1] <= size


@given(videos_of_questions, seeds, st.integers(1, 20))
def test_batches_of_videos_part_no_video_and_close_when_they_are_full(video, seed, size):
    batches = epoch_order(asked(video), config(size, "video"), seed, 1)
    held = [set(video[batch]) for batch in batches]
    assert sum(map(len, held)) == len(set(video))
    for batch in batches:
        last = video[batch[-1]]
        assert np.sum(video[batch] != last) < size


def test_another_seed_or_epoch_is_another_order():
    orders = [
        np.concatenate(epoch_order(asked(np.arange(50)), config(8), seed, epoch)).tolist()
        for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1))
    ]
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3


@given(videos_of_questions, st.integers(1, 4))
def test_parts_of_an_evaluation_hold_whole_videos_and_every_row(video, most):
    parts = whole_videos(video, most)
    assert sorted(np.concatenate(parts)) == list(range(len(video)))
    held = [set(video[part]) for part in parts]
    assert all(1 <= len(part) <= most for part in held)
    assert sum(map(len, held)) == len(set(video))


@given(videos_of_questions)
def test_slots_number_the_questions_of_each_video(video):
    slot, count = slots_of(video)
    for one in set(video):
        assert sorted(slot[video == one]) == list(range(np.sum(video == one)))
    assert count == max(np.sum(video == one) for one in set(video))


@given(st.integers(2, 8), st.integers(1, 6), seeds)
def test_every_question_segment_meets_one_frame_of_another_video(videos, segments, seed):
    asking, time = negatives_of_batch(videos, segments, np.random.default_rng(seed))
    met = set(zip(asking.flat, time.flat, strict=True))
    assert met == {(video, segment) for video in range(videos) for segment in range(segments)}
    assert np.all(asking != np.arange(videos)[:, None])


@given(st.sets(st.integers(0, 20), min_size=2), st.data(), seeds)
def test_a_frame_of_the_split_is_never_of_the_video_itself(split, data, seed):
    split = np.array(sorted(split))
    chosen = data.draw(st.sets(st.sampled_from(split.tolist()), min_size=1))
    videos = np.array(sorted(chosen))
    other, time = negatives_of_split(videos, split, 5, np.random.default_rng(seed))
    assert set(other.flat) <= set(split)
    assert np.all(other != videos[:, None])
    assert time.shape == other.shape
    assert set(time.flat) <= set(range(5))


def test_frames_of_the_split_come_from_all_its_other_videos():
    split = np.arange(6)
    other, _ = negatives_of_split(np.array([2]), split, 400, np.random.default_rng(0))
    counts = np.bincount(other[0], minlength=6)
    assert counts[2] == 0
    assert np.all(np.delete(counts, 2) > 40)


@pytest.mark.parametrize("video", [[0, 0, 1], [0, 1, 1, 1, 2]])
def test_slots_without_a_question_make_no_pair(video):
    video = np.array(video)
    slot, count = slots_of(video)
    asking = np.array([[1, 0], [0, 1]])
    pairs = filled_slots(video, asking)
    questions = [(v, s) for v, s in zip(video, slot, strict=True)]
    wanted = [
        (frame * 2 + segment) * count + s
        for frame in range(2)
        for segment in range(2)
        for v, s in questions
        if v == asking[frame, segment]
    ]
    assert sorted(pairs) == sorted(wanted)
