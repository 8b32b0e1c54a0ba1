"""Moderated variances against limma's formulas, and what they must never do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.moderation import PRIOR_DEGREES, Scale, moderate, pool
from evidence.variance import Parts

SIZES = st.floats(1e-3, 1e3)


@st.composite
def contrasts(draw: st.DrawFn) -> Parts:
    return Parts(
        mean=draw(st.floats(-50, 50)),
        seeds=draw(st.integers(2, 30)),
        questions=1000,
        videos=100,
        spread=draw(SIZES),
        residual=draw(SIZES),
        question=0.0,
    )


FAMILIES = st.lists(contrasts(), min_size=1, max_size=20, unique=True)


@given(FAMILIES)
def test_it_is_limmas_posterior_variance_for_its_scale_and_degrees(family: list[Parts]) -> None:
    """Smyth (2004), eq. 5: (d0 s0² + d s²) / (d0 + d), on the scale of the residual."""
    scale = pool(family)
    for parts in family:
        degrees = parts.seeds - 1
        ratio = parts.spread / parts.residual
        posterior = (3 * scale.ratio + degrees * ratio) / (3 + degrees)
        expected = max(posterior, 1.0) * parts.residual
        assert moderate(parts, scale)[0] == pytest.approx(expected, rel=1e-10)


@given(FAMILIES)
def test_the_known_part_is_a_floor(family: list[Parts]) -> None:
    scale = pool(family)
    assert all(moderate(parts, scale)[0] >= parts.residual * (1 - 1e-12) for parts in family)


@given(contrasts(), SIZES, st.floats(1.0, 10.0))
def test_more_spread_is_never_less_variance(parts: Parts, more: float, ratio: float) -> None:
    scale = Scale(ratio, 40)
    wider = replace(parts, spread=parts.spread + more)
    assert moderate(wider, scale)[0] >= moderate(parts, scale)[0]


@given(FAMILIES, st.randoms())
def test_neither_order_nor_duplicates_matter(family: list[Parts], random: object) -> None:
    shuffled = [*family, *family[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = pool(family), pool(shuffled)
    assert one.ratio == pytest.approx(other.ratio, rel=1e-12)
    assert one.degrees == other.degrees


@given(FAMILIES, st.floats(0.1, 10.0))
def test_a_contrast_times_c_has_its_variance_times_c_squared(
    family: list[Parts], factor: float
) -> None:
    def scaled(parts: Parts) -> Parts:
        square = factor**2
        return replace(
            parts,
            mean=factor * parts.mean,
            spread=square * parts.spread,
            residual=square * parts.residual,
        )

    one = moderate(family[0], pool(family))[0]
    other = moderate(scaled(family[0]), pool(map(scaled, family)))[0]
    assert other == pytest.approx(factor**2 * one, rel=1e-9)


def test_the_prior_adds_its_degrees_but_never_more_than_are_there() -> None:
    parts = Parts(1.0, 3, 1000, 100, 1.0, 0.5, 0.0)
    assert moderate(parts, Scale(1.5, 40))[1] == PRIOR_DEGREES + 2
    assert moderate(parts, pool([parts]))[1] == 2


def test_metrics_are_moderated_towards_their_mean_spread() -> None:
    rows = [Parts(0.0, 3, 0, 0, spread, 0.0, 0.0) for spread in (1.0, 4.0)]
    scale = pool(rows)
    assert scale.ratio == pytest.approx(2.5)
    assert moderate(rows[0], scale)[0] == pytest.approx((3 * 2.5 + 2 * 1.0) / 5)


def test_a_family_without_any_difference_has_the_scale_of_the_residual() -> None:
    assert pool([Parts(0.0, 3, 100, 10, 0.0, 0.0, 0.0)]) == Scale(1.0, 0)
    assert np.isfinite(moderate(Parts(0.0, 3, 100, 10, 0.0, 0.0, 0.0), Scale(1.0, 0))[0])
