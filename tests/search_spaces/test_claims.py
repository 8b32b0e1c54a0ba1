"""The claims refer to rows that exist and to numbers that the paper prints."""

from __future__ import annotations

import pytest

from search_spaces.columns import COLUMNS
from search_spaces.document import Contrast
from search_spaces.load import paper_claims, paper_tables
from tests import SHARED

PAPER = SHARED / "paper"
CLAIMS, SLIPS = paper_claims()
ROWS = {(table.key, row.name): row for table in paper_tables() for row in table.rows}
MECHANISM = [it for claim in CLAIMS if claim.section[:3] == "4.4" for it in claim.contrasts]
"""What the paper shows in pictures alone."""
CONTRASTS = [
    pytest.param(contrast, id=f"{claim.key}-{contrast.name}")
    for claim in CLAIMS
    for contrast in claim.contrasts
]


def published(sentence: str) -> float | None:
    """Return the published contrast of the claim that a word of its key names."""
    claim = next(claim for claim in CLAIMS if claim.key == sentence)
    return claim.contrasts[0].published


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_every_contrast_names_trained_rows_with_its_column(contrast: Contrast) -> None:
    for term in contrast.terms:
        row = ROWS[term.table, term.row]
        assert row.set is not None
        assert contrast.column in row.published or contrast in MECHANISM


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_every_contrast_weighs_nothing_in_sum_unless_its_column_is_a_difference(
    contrast: Contrast,
) -> None:
    own = COLUMNS[contrast.column].signed and not contrast.minus
    assert sum(term.weight for term in contrast.terms) == pytest.approx(float(own))


def test_the_papers_own_numbers_say_what_its_sentences_say() -> None:
    for claim in CLAIMS:
        for contrast in claim.contrasts:
            if contrast in MECHANISM:
                assert contrast.published is None
            elif claim.expects == "greater":
                assert (contrast.published or 0.0) > 0, (claim.key, contrast.name)
            else:
                assert contrast.published == pytest.approx(0.0), claim.key


def test_keys_are_unique() -> None:
    assert len({claim.key for claim in CLAIMS}) == len(CLAIMS)


@pytest.mark.parametrize(
    ("key", "points"),
    [("interleave", 0.515), ("visual-first", 0.535), ("match-loss", 1.41), ("synchrony", 0.76)],
)
def test_published_contrasts_by_hand(key: str, points: float) -> None:
    assert published(key) == pytest.approx(points, abs=1e-9)


def test_every_slip_is_one() -> None:
    for slip in SLIPS:
        assert abs(slip.computed - slip.printed) > 0.005, slip.sentence


@pytest.mark.parametrize(
    ("printed", "computed"),
    [(5.91, 5.01), (2.73, 2.67), (0.15, 0.25), (0.88, 0.84), (0.415, 0.515), (0.85, 1.30)],
)
def test_slips_by_hand(printed: float, computed: float) -> None:
    slip = next(slip for slip in SLIPS if slip.printed == printed)
    assert slip.computed == pytest.approx(computed, abs=1e-9)


def test_printed_numbers_stand_in_the_paper() -> None:
    if not PAPER.exists():
        pytest.skip(f"the paper is not at {PAPER}")
    text = (PAPER / "tass-paper.txt").read_text()
    for slip in SLIPS:
        assert f"{slip.printed:g}%" in text, slip.sentence
