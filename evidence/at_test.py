"""Rows that were trained so, beside the trained model switched at test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evidence.estimates import Estimate, correct
from evidence.families import Reading
from evidence.rows import Sample


@dataclass(frozen=True, slots=True)
class AtTest:
    """One row in both ways, on all questions."""

    row: str
    trained: Estimate
    """Trained so, minus the reference."""
    switched: Estimate
    """The reference's weights with the row's settings, minus the reference."""
    apart: Estimate
    """Switched minus trained so; corrected for the rows of the table (Holm)."""

    @property
    def disagree(self) -> bool:
        """Whether both ways say different things of the module."""
        return self.apart.significant


def both_ways(reading: Reading, column: str) -> tuple[AtTest, ...]:
    """Return the rows of a table that were trained so and switched at test, without holes."""
    samples = {sample.name: sample for sample in reading.samples}
    found = []
    for row in reading.chosen.table["rows"]:
        trained = row.get("at_test")
        reference = reading.references.get(row["name"])
        if trained is None or reference is None:
            continue
        three = [samples[trained], samples[row["name"]], reference]
        seeds = reading.family.comparable(three, column)
        if seeds:
            found.append((trained, _estimates(reading, three, seeds, column)))
    apart = correct([estimates[2] for _, estimates in found])
    return tuple(
        AtTest(name, estimates[0], estimates[1], corrected or estimates[2])
        for (name, estimates), corrected in zip(found, apart, strict=True)
    )


def _estimates(
    reading: Reading, rows: Sequence[Sample], seeds: Sequence[int], column: str
) -> tuple[Estimate, Estimate, Estimate]:
    trained, switched, reference = rows

    def minus(one: Sample, other: Sample) -> Estimate:
        return reading.family.estimate([(1.0, one), (-1.0, other)], seeds, column)

    return minus(trained, reference), minus(switched, reference), minus(switched, trained)
