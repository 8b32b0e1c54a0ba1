"""Corrected p-values are those of an independent implementation."""

from __future__ import annotations

import pytest
from statsmodels.stats.multitest import multipletests

from evidence.multiplicity import benjamini_hochberg, holm

VALUES = [0.04, 0.01, 0.03, 0.2, 0.013]


def test_holm_is_statsmodels_holm() -> None:
    assert holm(VALUES) == pytest.approx(multipletests(VALUES, method="holm")[1])


def test_benjamini_hochberg_is_that_of_statsmodels() -> None:
    assert benjamini_hochberg(VALUES) == pytest.approx(multipletests(VALUES, method="fdr_bh")[1])


def test_what_was_not_tested_does_not_count() -> None:
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert benjamini_hochberg([0.04, None, 0.02]) == pytest.approx([0.04, None, 0.04])
