"""What a document may hold: tables with their rows, grids, ablations, a space and claims.

Plain frozen data without logic of its own. ``search_spaces.load`` reads it from TOML, the
paper's documents and anybody's alike; ``search_spaces.expand`` turns grids and ablations into
tables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from search_spaces.objectives import ACCURACY, Constraint, Objective

Scalar = bool | int | float | str
Settings = Mapping[str, Scalar]
"""Dotted config field -> value."""
TestFile = Literal["original", "updated", "unknown"]
"""MUSIC-AVQA's test file behind a published number: 9,185 questions, or 9,129 after the update."""
Expects = Literal["greater", "same"]
Design = Literal["factorial", "leave-one-out", "add-one-in"]

MARGIN = 1.0
"""Points of accuracy below which a difference is not worth naming: with 1,749 questions about the
smallest that seeds can ever settle."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    name: str
    """As its source prints it."""
    set: Settings | None
    """What it changes in the base config; None for a method that is printed, never trained."""
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Column key -> the published number; empty for rows that nobody has published."""
    test_file: TestFile | None = None
    """The test file of the published numbers; None where there are none."""
    note: str = ""
    """What a reader should know about the published numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper, or of a sweep in the same form."""

    key: str
    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    reference: str | None = None
    """Name of the row that differences are taken to; None: the base config's, with the row's
    own encoder."""

    @property
    def note(self) -> str:
        """What to know about the published numbers: the test file where it is not the updated
        one, and the rows' notes."""
        files = {"original": "On the original test file", "unknown": "On an unknown test file"}
        said = [
            f"{words}: {', '.join(row.name for row in self.rows if row.test_file == file)}."
            for file, words in files.items()
            if any(row.test_file == file for row in self.rows)
        ]
        return " ".join([*said, *(f"{row.name}: {row.note}" for row in self.rows if row.note)])


@dataclass(frozen=True, slots=True)
class Axis:
    """One field of a grid and its values."""

    label: str
    """What rows call it, as in "λ = 0.5"."""
    field: str
    values: tuple[Scalar, ...]
    divides: Literal["segments"] | None = None
    """Only values that divide a video's segments T1 are meant."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a row for every combination of its axes' values."""

    key: str
    title: str
    columns: tuple[str, ...]
    axes: tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the model that can be there or not."""

    name: str
    on: Settings
    off: Settings
    needs: tuple[str, ...] = ()
    """Components, named before it, without which it has no effect."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A table over combinations of components."""

    key: str
    title: str
    columns: tuple[str, ...]
    design: Design
    components: tuple[Component, ...]
    fraction: int = 1
    """Of a factorial one row in so many, chosen such that effects mix as little as they can."""
    set: Settings = dataclasses.field(default_factory=dict)
    """What all its rows change in the base config."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    field: str
    values: tuple[Scalar, ...]
    needs: Settings = dataclasses.field(default_factory=dict)
    """The knob exists only where all these fields have these values: τ without
    target-awareness would be a dimension without effect."""
    divides: Literal["segments"] | None = None
    """Only values that divide a video's segments T1 are meant."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two bounds, both included; whole where the field is."""

    field: str
    low: float
    high: float
    log: bool = False
    needs: Settings = dataclasses.field(default_factory=dict)


Knob = Choice | Range
Space = tuple[Knob, ...]
"""Knobs in the order of the questions: a knob comes after those it needs."""


class Place(NamedTuple):
    """A row of a table."""

    table: str
    row: str

    def __str__(self) -> str:
        return f"{self.table}: {self.row}"


class Term(NamedTuple):
    """A row with its weight in a contrast."""

    weight: float
    table: str
    row: str

    @property
    def place(self) -> Place:
        """The row."""
        return Place(self.table, self.row)


@dataclass(frozen=True, slots=True)
class Contrast:
    """``scale * (mean(plus) - mean(minus))`` in one column; above 0 means what its claim says.

    Without ``minus`` it is about rows by themselves, in a column that may be below 0.
    """

    name: str
    plus: tuple[Place, ...]
    minus: tuple[Place, ...]
    column: str = "all"
    scale: float = 1.0
    numbers: tuple[float, ...] = ()
    """The published number of each term; empty where a row has none."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """The rows with their weights."""
        return (
            *(Term(self.scale / len(self.plus), *place) for place in self.plus),
            *(Term(-self.scale / len(self.minus), *place) for place in self.minus),
        )

    @property
    def published(self) -> float | None:
        """The contrast of the published numbers, in the column's unit; None without them."""
        if not self.numbers:
            return None
        return sum(t.weight * value for t, value in zip(self.terms, self.numbers, strict=True))


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and what must be so for it to hold."""

    key: str
    section: str
    sentence: str
    expects: Expects
    """Every contrast is above 0, or none differs from 0."""
    contrasts: tuple[Contrast, ...]
    margin: float = MARGIN
    """Differences below it are not worth naming, in the column's unit."""
    remark: str = ""
    """What a reader should know before weighing the verdict."""


@dataclass(frozen=True, slots=True)
class Slip:
    """A number in a text that the text's own tables do not give."""

    section: str
    sentence: str
    printed: float
    computed: float
    """What the tables give for the contrast."""
    contrast: Contrast
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A set of trials somebody may ask for by name or by file."""

    name: str
    purpose: str
    tables: tuple[Table, ...] = ()
    grids: tuple[Grid, ...] = ()
    ablations: tuple[Ablation, ...] = ()
    space: Space = ()
    """What a search explores; empty for a sweep that only enumerates."""
    claims: tuple[Claim, ...] = ()
    slips: tuple[Slip, ...] = ()
    base: Settings = dataclasses.field(default_factory=dict)
    """What it changes in the paper's config, after the dataset's own settings."""
    systems: Mapping[str, Settings] = dataclasses.field(default_factory=dict)
    """What every row of a system sets, before its own settings: such as its own recipe."""
    seeds: tuple[int, ...] = ()
    """Empty: what the command says, or its default."""
    datasets: tuple[str, ...] = ()
    """Folders, as ``--data`` takes them: the sweep is run on each of them."""
    budget: int | None = None
    """Trials of a search."""
    margin: float = MARGIN
    """Differences below it are not worth naming, in points of accuracy."""
    text: str = dataclasses.field(default="", compare=False, repr=False)
    """The document as it was written."""
    objectives: tuple[Objective, ...] = (Objective(ACCURACY),)
    """What a search is for."""
    constraints: tuple[Constraint, ...] = ()
    """What a search's trials have to keep to."""

    @property
    def measured(self) -> frozenset[str]:
        """Metrics that a search's objectives and constraints are about."""
        return frozenset(
            {it.metric for it in self.objectives} | {it.metric for it in self.constraints}
        )

    @property
    def enumerates(self) -> bool:
        """Whether there is anything to train without a search."""
        return bool(self.tables or self.grids or self.ablations)


Published = Mapping[Place, Mapping[str, float]]
"""Every row there is, with its published numbers by column."""


def published_in(tables: Sequence[Table]) -> Published:
    """Return every row's published numbers by its place."""
    return {Place(table.key, row.name): row.published for table in tables for row in table.rows}
