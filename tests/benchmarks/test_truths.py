"""Truths name contrasts that there are, and verdicts are held against them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.truths import TRUTHS, judged
from evidence.claims import check
from evidence.verdicts import Decision, Verdict
from search_spaces.load import paper_claims
from tests.reports.runs import Sweep


def test_every_truth_is_about_a_contrast_of_the_papers_claims() -> None:
    claims, _ = paper_claims()
    known = {(claim.key, it.name) for claim in claims for it in claim.contrasts}
    assert {(truth.claim, truth.contrast) for truth in TRUTHS} <= known


def test_verdicts_are_right_wrong_or_open(finished: Sweep) -> None:
    results = check(finished.snapshot()).results
    lines = {(line[0], line[1]): line[7] for line in judged(results)}
    assert lines["components", "JTG"] == lines["fewer-parameters", "dual over single"] == "right"
    assert lines["interleave", "IL over Cat"] == "open"


@pytest.mark.parametrize(
    ("claim", "contrast", "decision", "judgement"),
    [
        ("components", "JTG", "does not hold", "WRONG"),
        ("components", "JTG", "not by more than the margin", "small"),
        ("fewer-parameters", "dual over single", "not by more than the margin", "WRONG"),
        ("pooling-clip", "pooled over sampled", "holds", "right"),
    ],
)
def test_a_world_tells_which_way_and_not_how_far(
    finished: Sweep, claim: str, contrast: str, decision: Decision, judgement: str
) -> None:
    turned = [
        replace(
            result,
            contrasts=tuple(replace(it, verdict=Verdict(decision, "")) for it in result.contrasts),
        )
        for result in check(finished.snapshot()).results
    ]
    assert (claim, contrast, judgement) in {(it[0], it[1], it[7]) for it in judged(turned)}
