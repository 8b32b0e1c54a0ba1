"""A finished table as plain data: cells, differences, and every hole by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evidence.at_test import AtTest
from evidence.estimates import Estimate, Interval
from evidence.factorial import Effect
from evidence.flips import Flips
from evidence.rows import Hole
from search_spaces.document import Scalar
from search_spaces.twins import Twins
from tass_core.data.folder.description import PROVENANCES


@dataclass(frozen=True, slots=True)
class Cell:
    """One row in one column. A cell with holes has no mean: it fails closed."""

    column: str
    values: Mapping[int, float]
    """Seed -> value of every usable run, also where others are missing."""
    mean: float | None
    interval: Interval | None
    """For new seeds and new questions; None for a single seed."""
    published: float | None
    difference: Estimate | None
    """Paired difference to the row's reference; None for the reference itself."""
    holes: tuple[Hole, ...]
    difference_holes: tuple[Hole, ...] = ()
    """Why there is no difference although the cell itself is complete."""
    sd: float | None = None
    """Standard deviation over seeds; None for a single seed."""
    rank: int = 0
    """1 for the best mean of the column, 2 for the second best, 0 otherwise."""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One variant: its runs by seed and its cells by column."""

    name: str
    config_hash: str | None
    runs: Mapping[int, str]
    """Seed -> MLflow run id of the runs behind every cell of the row."""
    cells: Mapping[str, Cell]
    reference: str | None
    """Name of the row that differences are taken to; None for a reference row."""
    holes: tuple[Hole, ...]
    published_only: bool = False
    fidelity: str = ""
    """How near a rival's network is to the published one: ``exact``, ``adapted`` or
    ``reconstructed``; empty for TASS, and for systems that nobody published."""
    differs: str = ""
    """What differs from the published network."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """One table of the paper, or one sweep in the same form."""

    key: str
    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    seeds: tuple[int, ...]
    dataset: str
    provenance: str
    fingerprint: str
    training_version: str
    sweep: str
    sweep_run: str
    base: Mapping[str, Scalar]
    """The sweep's base config, canonical: dotted field -> value."""
    note: str
    """What a reader must know of the published numbers; may be empty."""
    experiment_id: str
    tracking_uri: str
    questions: Mapping[str, int]
    """Test questions by type."""
    videos: int | None
    """Videos that they are about; None where the predictions do not say."""
    margin: float
    """Differences below it are not worth naming, in points."""
    further: Mapping[str, int] = field(default_factory=dict)
    """Questions of the dataset's further tests."""
    effects: tuple[Effect, ...] = ()
    """Of a factorial table without holes: what each module is worth on all questions."""
    twins: tuple[Twins, ...] = ()
    """Rows that are one function under several names."""
    at_test: tuple[AtTest, ...] = ()
    """Rows that were trained so, beside the trained model switched at test."""
    flips: tuple[Flips, ...] = ()
    """Questions that change between a row and its reference."""

    @property
    def complete(self) -> bool:
        """Whether no cell of the table has a hole."""
        return not self.holes

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Every hole of the table, each once, in the order of the rows."""
        found = [
            hole
            for row in self.rows
            for hole in (*row.holes, *(h for cell in row.cells.values() for h in cell.holes))
        ]
        return tuple(dict.fromkeys(found))

    @property
    def origin(self) -> str:
        """What the numbers are about, to stand beside the paper's."""
        return origin(self.provenance, self.dataset)


def origin(provenance: str, dataset: str) -> str:
    """Return the words that keep our numbers apart from the paper's."""
    return (
        f"dataset '{dataset}': {PROVENANCES.get(provenance, provenance or 'origin not recorded')}"
    )
