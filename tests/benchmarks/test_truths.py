"""Truths name contrasts that there are, and verdicts are held against them."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.truths import TRUTHS, judged
from evidence.claims import check
from evidence.verdicts import Verdict
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
    turned = [
        replace(
            result,
            contrasts=tuple(
                replace(it, verdict=Verdict("does not hold", "")) for it in result.contrasts
            ),
        )
        for result in results
    ]
    assert ("components", "JTG", "WRONG") in {(it[0], it[1], it[7]) for it in judged(turned)}
