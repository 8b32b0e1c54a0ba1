"""Corrected p-values are those of an independent implementation."""

from __future__ import annotations

import pytest
from statsmodels.stats.multitest import multipletests

from evidence.multiplicity import holm


def test_holm_is_statsmodels_holm() -> None:
    values = [0.04, 0.01, 0.03, 0.2, 0.013]
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
