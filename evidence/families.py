"""Tables as they were read: their samples, what each row is compared to, and their families.

A family is all rows that may be compared, of every table: its contrasts share the scale of their
variance, so that a row has the same interval wherever it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evidence.estimates import Estimate, estimate, unsteady
from evidence.moderation import Scale, pool
from evidence.rows import Sample, sample_rows
from evidence.selection import Chosen, conflict, documented
from evidence.variance import Parts, split, split_metric
from search_spaces.columns import COLUMNS
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError
from tracking.reader import Snapshot, SweepRun


class Family:
    """The rows that may be compared with one another, and their scales by column."""

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._pairs: dict[tuple[str | None, str | None], tuple[Sample, Sample]] = {}
        self._contrasts: dict[str, list[Parts]] = {}
        self._scales: dict[str, Scale] = {}

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

    def contrasts(self, column: str) -> list[Parts]:
        """Return the parts of every row minus its reference, each contrast once."""
        if column not in self._contrasts:
            found = (difference(row, reference, column) for row, reference in self._pairs.values())
            self._contrasts[column] = list(dict.fromkeys(it for it in found if it is not None))
        return self._contrasts[column]

    def pairing(self, column: str) -> float | None:
        """Return the variance over seeds of paired differences, as a share of unpaired ones."""
        paired = apart = 0.0
        for row, reference in self._pairs.values():
            found = difference(row, reference, column)
            if found is not None and found.seeds > 1:
                paired += found.spread
                apart += sum(_parts([(1.0, it)], column).spread for it in (row, reference))
        return paired / apart if apart else None

    def estimate(self, parts: Parts, column: str) -> Estimate:
        """Return the estimate of a contrast of the family's rows."""
        contrasts = self.contrasts(column)
        found = estimate(parts, pool(contrasts))
        return replace(found, unsteady=unsteady(parts, contrasts))

    def row(self, sample: Sample, column: str) -> Estimate:
        """Return the estimate of one row by itself."""
        if column not in self._scales:
            rows = [it for it in self.samples if _complete(it, column)]
            self._scales[column] = pool(_parts([(1.0, it)], column) for it in rows)
        return estimate(_parts([(1.0, sample)], column), self._scales[column])


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
        family = next((f for sweep, f in families if conflict(sweep, found.sweep) is None), None)
        if family is None:
            family = Family()
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
    references = {row: by_name[name] for row, name in names.items() if row != name}
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


def difference(row: Sample, reference: Sample, column: str) -> Parts | None:
    """Return the parts of a row minus its reference; None where a seed of either is missing."""
    if not (_complete(row, column) and _complete(reference, column)):
        return None
    if sorted(row.runs) != sorted(reference.runs):
        return None
    return _parts([(1.0, row), (-1.0, reference)], column)


def contrast(terms: Sequence[tuple[float, Sample]], seeds: Sequence[int], column: str) -> Parts:
    """Return the parts of a weighted sum of rows over the given seeds."""
    if not COLUMNS[column].types:
        values = [(weight, sample.values(column)) for weight, sample in terms]
        return split_metric([sum(weight * v[seed] for weight, v in values) for seed in seeds])
    matrices = [weight * sample.correct(column, seeds) for weight, sample in terms]
    return split(np.sum(matrices, axis=0), terms[0][1].videos(column, seeds[0]))


def _parts(terms: Sequence[tuple[float, Sample]], column: str) -> Parts:
    return contrast(terms, sorted(terms[0][1].runs), column)


def _complete(sample: Sample, column: str) -> bool:
    return bool(sample.values(column)) and not sample.missing(column)
