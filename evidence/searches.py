"""What a search found: the variants that it confirmed, each against the default config.

A search ranks its trials on validation, with one seed. The largest of many noisy values flatters
itself, so nothing of that counts here: the verdict rests on seeds that the search never used, on
paired differences of test answers, corrected for the number of variants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evidence.estimates import FIRST, Estimate
from evidence.results import ResultTable

Answer = Literal["better", "not told apart", "worse", "untested"]
COLUMN = "all"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmed variant and its difference to the default config."""

    name: str
    estimate: Estimate | None
    """In points of test accuracy; None where a trial is missing."""

    @property
    def answer(self) -> Answer:
        """What the difference says."""
        if self.estimate is None or self.estimate.p_adjusted is None:
            return "not told apart" if self.estimate and self.estimate.identical else "untested"
        if not self.estimate.significant:
            return "not told apart"
        return "better" if self.estimate.mean > 0 else "worse"


@dataclass(frozen=True, slots=True)
class SearchVerdict:
    """The confirmed variants of a search, in the order in which it ranked them."""

    variants: tuple[Confirmed, ...]
    seeds: int
    """Seeds that the search never used."""

    @property
    def tested(self) -> bool:
        """Whether there are enough seeds for a test."""
        return self.seeds >= FIRST

    def of(self, answer: Answer) -> tuple[Confirmed, ...]:
        """Return the variants with an answer."""
        return tuple(variant for variant in self.variants if variant.answer == answer)


def judge_search(table: ResultTable) -> SearchVerdict:
    """Return the verdict on the table of a search's confirmed variants."""
    return judge(
        {
            row.name: row.cells[COLUMN].difference
            for row in table.rows
            if row.reference is not None or row.holes
        },
        len(table.seeds),
    )


def judge(differences: Mapping[str, Estimate | None], seeds: int) -> SearchVerdict:
    """Return the verdict on variants' differences to the default config.

    Args:
        differences: name -> estimate, corrected for their number.
        seeds: how many stand behind each.
    """
    variants = (Confirmed(name, estimate) for name, estimate in differences.items())
    return SearchVerdict(tuple(variants), seeds)
