"""E-values promise an average of 1 and rare false alarms; both by other ways of computing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from evidence.e_values import log_e, log_e_value
from evidence.estimates import estimate
from evidence.moderation import Scale
from evidence.variance import Parts, split
from tests.evidence.answers import answers


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 30), st.sampled_from([0, 3]), st.floats(0.0, 2.0))
def test_where_nothing_differs_it_is_1_on_average(seeds: int, degrees: int, share: float) -> None:
    """Its value depends on the t statistic alone, whose distribution is known."""
    free = degrees + seeds - 1
    error = math.sqrt(1 / seeds + share)

    def weighted(t: float) -> float:
        log = log_e_value(t * error, 1.0, seeds, share, prior=1.0, degrees=degrees)
        return float(np.exp(log)) * float(stats.t.pdf(t, free))

    mean = 2 * integrate.quad(weighted, 0, np.inf, epsabs=1e-10)[0]
    assert mean == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("t", "seeds"), [(0.3, 3), (2.5, 3), (-4.0, 8), (3.0, 20)])
def test_it_is_the_likelihood_ratio_of_noncentral_t(t: float, seeds: int) -> None:
    """Averaged over standardised differences with variance 1 (Rouder and others, 2009)."""

    def supposed(size: float) -> float:
        return float(stats.nct.pdf(t, seeds - 1, size * math.sqrt(seeds)) * stats.norm.pdf(size))

    ratio = integrate.quad(supposed, -8, 8)[0] / stats.t.pdf(t, seeds - 1)
    found = np.exp(log_e_value(t / math.sqrt(seeds), 1.0, seeds))
    assert found == pytest.approx(ratio, rel=1e-5)


def test_looking_after_every_seed_gives_no_more_false_alarms_than_promised() -> None:
    """Also where the questions' draw and the prior of the variance are what they are taken for."""
    rng = np.random.default_rng(0)
    paths, last, degrees, share = 4_000, 12, 3, 0.2
    variance = degrees / rng.chisquare(degrees, size=(paths, 1))
    runs = rng.normal(size=(paths, last)) + rng.normal(size=(paths, 1)) * math.sqrt(share)
    seeds = np.arange(1, last + 1)
    mean = np.cumsum(np.sqrt(variance) * runs, axis=1) / seeds
    squares = np.cumsum(variance * runs**2, axis=1)
    spread = (squares - seeds * mean**2)[:, 1:] / (seeds[1:] - 1)
    found = log_e_value(mean[:, 1:], spread, seeds[1:], share, prior=1.0, degrees=degrees)
    for level in (0.05, 0.2):
        alarms = (found > -math.log(level)).any(axis=1).mean()
        assert alarms <= level + 3 * math.sqrt(level * (1 - level) / paths)
        assert alarms > 0


@given(st.floats(0.01, 10.0), st.floats(0.01, 10.0))
def test_it_has_no_unit(mean: float, factor: float) -> None:
    one = Parts(mean, 4, 500, 50, 1.0, 0.4, 0.1)
    scaled = [factor**2 * it for it in (1.0, 0.4, 0.1)]
    other = Parts(factor * mean, 4, 500, 50, *scaled)
    assert log_e(one, Scale(1.5, 30)) == pytest.approx(log_e(other, Scale(1.5, 30)), rel=1e-9)


def test_identical_answers_are_no_evidence() -> None:
    same = split(answers(3, 50) - answers(3, 50))
    assert log_e(same, Scale(1.0, 0)) == 0.0


def test_an_estimate_has_it_from_two_seeds_on() -> None:
    parts = [split(answers(seeds, 50) - answers(seeds, 50, 1)) for seeds in (1, 2, 3)]
    found = [estimate(it, Scale(1.5, 30)).log_e for it in parts]
    assert found == [None, log_e(parts[1], Scale(1.5, 30)), log_e(parts[2], Scale(1.5, 30))]
