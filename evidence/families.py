"""Tables as they were read: their samples, what each row is compared to, and their families.

A family is all rows that may be compared, of every table: its contrasts share the scale of their
variance, so that a row has the same interval wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evidence.estimates import Estimate, estimate, estimate_path, unsteady
from evidence.moderation import Scale, pool
from evidence.rows import Sample, sample_rows
from evidence.selection import Chosen, conflict, designed, documented
from evidence.sequential import Design, follow
from evidence.variance import Parts, split, split_metric
from search_spaces.columns import COLUMNS
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError
from tracking.reader import Snapshot, SweepRun


class Family:
    """The rows that may be compared with one another, and their scales by column.

    Args:
        design: when its plan looks; None where the seeds were fixed beforehand.
    """

    def __init__(self, design: Design | None = None) -> None:
        self.design = design
        self._samples: dict[str, Sample] = {}
        self._pairs: dict[tuple[str | None, str | None], tuple[Sample, Sample]] = {}
        self._contrasts: dict[tuple[str, int | None], list[Parts]] = {}
        self._scales: dict[tuple[str, int | None], Scale] = {}

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Its rows, every trained variant once."""
        return tuple(self._samples.values())

    def add(self, reading: Reading) -> None:
        """Add a table's rows."""
        for sample in reading.samples:
            if sample.config_hash is not None:
                self._samples.setdefault(sample.config_hash, sample)
            reference = reading.references.get(sample.name)
            if reference is not None:
                key = (sample.config_hash, reference.config_hash)
                self._pairs.setdefault(key, (sample, reference))

    def pairing(self, column: str) -> float | None:
        """Return the variance over seeds of paired differences, as a share of unpaired ones."""
        paired = apart = 0.0
        for pair in self._pairs.values():
            seeds = self.comparable(pair, column)
            if len(seeds) > 1:
                paired += contrast(_minus(*pair), seeds, column).spread
                apart += sum(contrast([(1.0, it)], seeds, column).spread for it in pair)
        return paired / apart if apart else None

    def comparable(self, rows: Sequence[Sample], column: str) -> list[int]:
        """Return the seeds over which rows may be compared; none where a run is missing.

        With seeds fixed beforehand all rows need the same. Where they are added, rows are compared
        over those that all of them have, the first of the plan.
        """
        if not all(_complete(row, column) for row in rows):
            return []
        if self.design is None and len({frozenset(row.runs) for row in rows}) > 1:
            return []
        return shared_seeds(rows)

    def estimate(
        self, terms: Sequence[tuple[float, Sample]], seeds: Sequence[int], column: str
    ) -> Estimate:
        """Return the estimate of a weighted sum of the family's rows over the given seeds."""
        parts = contrast(terms, seeds, column)
        if self.design is not None:
            return self._sequential(terms, seeds, column, self._scale)
        found = estimate(parts, self._scale(column))
        return replace(found, unsteady=unsteady(parts, self.parts(column)))

    def row(self, sample: Sample, column: str) -> Estimate:
        """Return the estimate of one row by itself."""
        seeds = shared_seeds([sample])
        if self.design is not None:
            return self._sequential([(1.0, sample)], seeds, column, self._row_scale)
        return estimate(contrast([(1.0, sample)], seeds, column), self._row_scale(column))

    def _sequential(
        self,
        terms: Sequence[tuple[float, Sample]],
        seeds: Sequence[int],
        column: str,
        scale: Callable[[str, int | None], Scale],
    ) -> Estimate:
        """Return an estimate that holds although one looked after every seed."""
        assert self.design is not None
        looks = range(self.design.first, min(len(seeds), self.design.last) + 1)
        parts = [contrast(terms, seeds[:look], column) for look in looks]
        path = follow(parts, [scale(column, look) for look in looks], self.design)
        if path is None:
            return estimate(contrast(terms, seeds[:1], column), Scale(1.0, 0))
        return estimate_path(parts[-1], path)

    def _scale(self, column: str, look: int | None = None) -> Scale:
        return pool(self.parts(column, look))

    def parts(self, column: str, look: int | None = None) -> list[Parts]:
        """Return the parts of every row minus its reference, each once, at a look or at the end."""
        if (column, look) not in self._contrasts:
            pairs = [(pair, self.comparable(pair, column)) for pair in self._pairs.values()]
            found = [
                contrast(_minus(*pair), seeds[:look], column) for pair, seeds in pairs if seeds
            ]
            self._contrasts[column, look] = list(dict.fromkeys(found))
        return self._contrasts[column, look]

    def _row_scale(self, column: str, look: int | None = None) -> Scale:
        if (column, look) not in self._scales:
            rows = [it for it in self.samples if _complete(it, column)]
            self._scales[column, look] = pool(
                contrast([(1.0, it)], shared_seeds([it])[:look], column) for it in rows
            )
        return self._scales[column, look]


@dataclass(frozen=True, slots=True)
class Reading:
    """One table: its sweep, its rows, and what they are compared to."""

    chosen: Chosen
    samples: tuple[Sample, ...]
    references: Mapping[str, Sample]
    """Row name -> the row that its difference is taken to."""
    family: Family


def read_tables(snapshot: Snapshot, chosen: Sequence[Chosen]) -> list[Reading]:
    """Return all tables with their families; rows of sweeps that conflict are never in one."""
    families: list[tuple[SweepRun, Family]] = []
    readings = []
    for found in chosen:
        design = designed(found.sweep.plan)
        family = next(
            (
                family
                for sweep, family in families
                if family.design == design
                and conflict(sweep, found.sweep) is None
                # Weights that answer twice vary less than trainings: not one scale.
                and sweep.plan.get("at_test") == found.sweep.plan.get("at_test")
            ),
            None,
        )
        if family is None:
            family = Family(design)
            families.append((found.sweep, family))
        reading = read_table(snapshot, found, family)
        family.add(reading)
        readings.append(reading)
    return readings


def read_table(snapshot: Snapshot, chosen: Chosen, family: Family) -> Reading:
    """Return one table, whose rows are of a family."""
    samples = tuple(sample_rows(snapshot, chosen.sweep, chosen.table))
    by_name = {sample.name: sample for sample in samples}
    rows, spec = chosen.table["rows"], documented(chosen)
    names = reference_rows(chosen.sweep.plan, rows, spec.reference)
    references = {
        row: by_name[name]
        for row, name in names.items()
        if by_name[row].config_hash != by_name[name].config_hash
    }
    return Reading(chosen, samples, references, family)


def reference_rows(
    plan: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], named: str | None = None
) -> dict[str, str]:
    """Return row name -> name of the row its difference is taken to.

    The reference is the one that the table's document names; or else the plan's base config, the
    full model, with the row's own encoder. A table without such a row has no differences.
    """
    if named is not None:
        return {row["name"]: named for row in rows if row.get("variant")}
    full = TrialConfig().with_values(dict(plan["base"]))
    variants = plan.get("variants", {})
    by_hash = {row["variant"]: row["name"] for row in rows if row.get("variant")}
    found: dict[str, str] = {}
    for row in rows:
        config = variants.get(row.get("variant"), {}).get("config")
        if config is None:
            continue
        try:
            reference = full.replace("model.encoder", config["model.encoder"]).hash()
        except ConfigError:
            continue
        if reference in by_hash:
            found[row["name"]] = by_hash[reference]
    return found


def shared_seeds(rows: Sequence[Sample]) -> list[int]:
    """Return the seeds that all rows have, in the order of the plan."""
    known = set.intersection(*(set(row.runs) for row in rows))
    return [seed for seed in rows[0].sweep.seeds if seed in known]


def contrast(terms: Sequence[tuple[float, Sample]], seeds: Sequence[int], column: str) -> Parts:
    """Return the parts of a weighted sum of rows over the given seeds."""
    if not COLUMNS[column].types:
        values = [(weight, sample.values(column)) for weight, sample in terms]
        return split_metric([sum(weight * v[seed] for weight, v in values) for seed in seeds])
    matrices = [weight * sample.correct(column, seeds) for weight, sample in terms]
    return split(np.sum(matrices, axis=0), terms[0][1].videos(column, seeds[0]))


def _minus(row: Sample, reference: Sample) -> list[tuple[float, Sample]]:
    return [(1.0, row), (-1.0, reference)]


def _complete(sample: Sample, column: str) -> bool:
    return bool(sample.values(column)) and not sample.missing(column)
