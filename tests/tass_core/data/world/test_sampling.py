"""Scenes: stages on which nobody covers another, company that one can turn."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tass_core.data.world.sampling import company, draw_loudness, entrances, sample_scene, stand

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 12))
def test_places_lie_on_the_stage_and_apart(seed, count):
    places = stand(np.random.default_rng(seed), count, (7, 7))
    assert len(places) == count
    for x, y, width, height in places:
        assert width / 2 <= x <= 7 - width / 2 + 1e-9
        assert height / 2 <= y <= 7 - height / 2 + 1e-9
    for (x, y, width, height), (x2, y2, width2, height2) in combinations(places, 2):
        apart = max(abs(x - x2) - (width + width2) / 2, abs(y - y2) - (height + height2) / 2)
        assert apart >= -1e-9


@given(seeds, st.integers(1, 11), st.integers(10, 60))
def test_a_part_sounds_within_its_time(seed, count, seconds):
    rng = np.random.default_rng(seed)
    for start, end in entrances(rng, count, seconds):
        assert 0 <= start < end <= seconds
        sounding = np.flatnonzero(draw_loudness(rng, seconds, start, end))
        assert sounding.size
        assert start <= sounding[0]
        assert sounding[-1] < end


@given(seeds)
def test_something_is_always_heard(seed):
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, seconds=20, grid=(7, 7), co_occurrence=0.3)
    assert any(source.sounds for source in scene.sources)


def test_co_occurrence_turns_who_plays_with_whom():
    def meetings(co_occurrence):
        rng, pairs = np.random.default_rng(0), Counter()
        for _ in range(1000):
            pairs.update(combinations(sorted(set(company(rng, 3, co_occurrence))), 2))
        return sum(count for _, count in pairs.most_common(30)) / sum(pairs.values())

    # Of 231 pairs; within ensembles only 46 can meet.
    assert meetings(0.0) == pytest.approx(0.2, abs=0.05)
    assert meetings(1.0) > 0.6
