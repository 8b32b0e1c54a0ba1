"""Rows of a table that are one function under several names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.document import Settings, Table


@dataclass(frozen=True, slots=True)
class Twins:
    """Rows whose configs have one canonical form, so that one trial fills them all."""

    rows: tuple[str, ...]
    fields: tuple[str, ...]
    """What they set differently, to no effect."""


def twins(table: Table, variants: Mapping[str, str | None]) -> tuple[Twins, ...]:
    """Return the rows of a table that are one function.

    Args:
        table: as its document has it.
        variants: row name -> hash of its canonical config; None for a row that is not trained.
    """
    settings = {row.name: row.set or {} for row in table.rows}
    alike: dict[str, list[str]] = {}
    for name, variant in variants.items():
        if variant is not None:
            alike.setdefault(variant, []).append(name)
    return tuple(
        Twins(tuple(names), _differing([settings.get(name, {}) for name in names]))
        for names in alike.values()
        if len(names) > 1
    )


def _differing(settings: Sequence[Settings]) -> tuple[str, ...]:
    fields = dict.fromkeys(field for one in settings for field in one)
    return tuple(
        field
        for field in fields
        if any(field not in one or one[field] != settings[0].get(field) for one in settings)
    )
