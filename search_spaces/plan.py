"""The plan: from a sweep's document and seeds to unique trials, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from search_spaces.describe import describe
from search_spaces.document import Row, Sweep
from search_spaces.expand import expand
from search_spaces.load import BUILT_IN, built_in_tables, load, parse_sweep
from search_spaces.objectives import GROUNDING
from search_spaces.twins import Twins, twins
from tass_core import TRAINING_VERSION
from tass_core.config import DEFAULT_SYSTEM, TrialConfig, digest
from tass_core.errors import ConfigError, DataError, SweepError
from tass_core.systems import system_named
from tass_core.systems.debiasing import DIFFERS, debiasing
from tass_core.trial import Trial, trial_key

if TYPE_CHECKING:
    from tass_core.data.folder.dataset import Dataset

FULL_MODEL = "TASS"
"""The name of the base config's variant."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a table and the trials that fill it."""

    name: str
    variant: str | None
    """The config's hash; None for a row that is not trained."""
    missing: str | None
    """Why the row cannot be trained on this dataset."""
    trials: Mapping[int, str]
    """Seed -> trial key."""


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of the plan."""

    key: str
    number: str
    title: str
    rows: tuple[PlannedRow, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """A config and the name it goes by."""

    name: str
    config: TrialConfig

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form; a rival's says how near the published network it is."""
        system, debiased = system_named(self.config.system), debiasing(self.config.loss) > 0
        described = {"name": self.name, "config": self.config.flat()}
        rival = self.config.system != DEFAULT_SYSTEM or debiased
        if not rival or system.fidelity is None:
            return described
        fidelity = "adapted" if debiased and system.fidelity == "exact" else system.fidelity
        differs = f"{system.differs}; {DIFFERS}" if debiased else system.differs
        return described | {"fidelity": fidelity, "differs": differs}


@dataclass(frozen=True, slots=True)
class UntilDecided:
    """What a sweep that adds seeds until it is decided fixes before its first trial.

    Its contrasts are every row minus its reference, its seeds the plan's, in their order.
    """

    margin: float
    """Differences below it are not worth naming, in points."""
    first: int
    """Seeds of every row at the first look."""
    last: int
    """Seeds that no row goes beyond."""
    column: str = "all"


@dataclass(slots=True)
class Plan:
    """What a sweep wants: unique trials, and the table rows that use them."""

    document: Sweep
    """Where the plan comes from, written out for the dataset: ``plan.json`` carries it, so that
    tables can be made from a tracking store alone."""
    dataset: Mapping[str, Any]
    fingerprint: str
    base: TrialConfig
    seeds: tuple[int, ...]
    tables: list[PlannedTable] = field(default_factory=list)
    variants: dict[str, Variant] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    address: str | None = None
    """The key of a plan that grows as it runs: a search's, or one with ``until``."""
    until: UntilDecided | None = None
    """Set where seeds are added until it is decided."""
    looks: list[dict[str, Any]] = field(default_factory=list)
    """What such a plan saw at each look, for the record: verdicts are recomputed without it."""

    @property
    def sweep(self) -> str:
        """The sweep's name."""
        return self.document.name

    def add(self, name: str, config: TrialConfig, seeds: Sequence[int]) -> dict[int, str]:
        """Add a variant's trials, unless they are there; return seed -> trial key."""
        config = config.canonical()
        name = FULL_MODEL if config.hash() == self.base.hash() else name
        self.variants.setdefault(config.hash(), Variant(name, config))
        keys: dict[int, str] = {}
        for seed in seeds:
            trial = Trial(config, seed)
            keys[seed] = trial_key(trial, self.fingerprint)
            self.trials.setdefault(keys[seed], trial)
        return keys

    def grow(self, variant: str, seed: int) -> str:
        """Add one seed to a variant in every row that has it; return the trial's key."""
        known = self.variants[variant]
        [key] = self.add(known.name, known.config, [seed]).values()
        for place, table in enumerate(self.tables):
            rows = [
                replace(row, trials={**row.trials, seed: key}) if row.variant == variant else row
                for row in table.rows
            ]
            self.tables[place] = replace(table, rows=tuple(rows))
        return key

    def key_of(self, variant: str, seed: int) -> str:
        """Return the key of a variant's trial with a seed."""
        return trial_key(Trial(self.variants[variant].config, seed), self.fingerprint)

    def name(self, key: str) -> str:
        """Return the name of a trial's variant."""
        return self.variants[self.trials[key].config.hash()].name

    def uses(self) -> dict[str, list[str]]:
        """Return trial key -> the table rows that use it."""
        found: dict[str, list[str]] = {key: [] for key in self.trials}
        for table in self.tables:
            for row in table.rows:
                for key in row.trials.values():
                    found[key].append(f"{table.key}: {row.name}")
        return found

    def twins(self) -> dict[str, tuple[Twins, ...]]:
        """Return table key -> its rows that are one function, of the tables that have some."""
        specs = {table.key: table for table in self.document.tables}
        found = {
            table.key: twins(specs[table.key], {row.name: row.variant for row in table.rows})
            for table in self.tables
            if table.key in specs
        }
        return {key: groups for key, groups in found.items() if groups}

    @property
    def key(self) -> str:
        """The sweep's content address: the same command on the same data has the same."""
        if self.address is not None:
            return self.address
        tables = [
            (t.key, [(r.name, sorted(r.trials.items())) for r in t.rows]) for t in self.tables
        ]
        return digest([self.sweep, self.fingerprint, tables, sorted(self.trials)])[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as it is logged: ``plan.json`` of the parent run."""
        return {
            "sweep": self.sweep,
            "document": describe(self.document),
            "text": self.document.text,
            "dataset": dict(self.dataset),
            "base": self.base.flat(),
            "seeds": list(self.seeds),
            "training_version": TRAINING_VERSION,
            "tables": [_describe(table) for table in self.tables],
            "variants": {address: variant.to_dict() for address, variant in self.variants.items()},
            "trials": {
                key: {"variant": trial.config.hash(), "seed": trial.seed}
                for key, trial in self.trials.items()
            },
            **({} if self.until is None else {"until_decided": self._until()}),
        }

    def _until(self) -> dict[str, Any]:
        assert self.until is not None
        return {**asdict(self.until), "looks": list(self.looks)}


def make_plan(sweep: Sweep, dataset: Dataset, base: TrialConfig, seeds: Sequence[int]) -> Plan:
    """Return the plan of a sweep that fills its tables.

    A row that this dataset or base config cannot have is kept with the reason.

    Raises:
        ConfigError: nothing of a grid or a space fits the dataset.
        DataError: the base config cannot run on the dataset.
        SweepError: no row can be trained.
    """
    plan = _begin(sweep, dataset, base, seeds)
    for table in plan.document.tables:
        rows = tuple(_plan_row(plan, row, dataset.check) for row in table.rows)
        plan.tables.append(PlannedTable(table.key, table.number, table.title, rows))
    if not plan.trials:
        reasons = [row.missing for table in plan.tables for row in table.rows if row.missing]
        raise SweepError(
            f"sweep '{plan.sweep}': no row can be trained on {dataset.name}"
            + (f"; the first reason: {reasons[0]}" if reasons else "")
        )
    return plan


def make_growing_plan(
    sweep: Sweep, dataset: Dataset, base: TrialConfig, seeds: Sequence[int], until: UntilDecided
) -> Plan:
    """Return the plan of a sweep that adds seeds until it is decided, with its first ones.

    Args:
        sweep: the document.
        dataset: what to train on.
        base: the config that rows change.
        seeds: the whole list, in the order in which they are used.
        until: what is fixed beforehand.

    Raises:
        ConfigError: nothing of a grid or a space fits the dataset.
        DataError: the base config cannot run on the dataset.
        SweepError: no row can be trained.
    """
    plan = make_plan(sweep, dataset, base, seeds[: until.first])
    plan.address = digest([plan.key, asdict(until), list(seeds)])[:16]
    plan.seeds, plan.until = tuple(seeds), until
    return plan


def empty_plan(sweep: Sweep, dataset: Dataset, base: TrialConfig, seeds: Sequence[int]) -> Plan:
    """Return a plan without trials or tables, as a search begins.

    Raises:
        ConfigError: nothing of a grid or a space fits the dataset.
        DataError: the base config cannot run on the dataset, or an objective or a constraint cannot
            be measured there.
    """
    for metric in sorted(sweep.measured.intersection(GROUNDING)):
        if not dataset.has_truth:
            raise DataError(
                f"'{metric}' compares attention with where and when the answers are, which nobody "
                f"knows of dataset '{dataset.name}': only worlds have it (`tass-cli data make`, "
                "`data render`); take another objective or constraint, such as val/all or params_m"
            )
    searched = replace(sweep, tables=(), grids=(), ablations=(), claims=(), slips=())
    return _begin(searched, dataset, base, seeds)


def planned_document(plan: Mapping[str, Any]) -> Sweep:
    """Return the document that a ``plan.json`` came from.

    Plans of earlier versions carry none: the built-in tables that they name stand in.

    Raises:
        ConfigError: the plan's document cannot be read.
    """
    name = str(plan.get("sweep", "sweep"))
    if "document" in plan:
        return parse_sweep(f"plan.json of sweep '{name}'", plan["document"], name)
    keys = [table["key"] for table in plan.get("tables", ())]
    return Sweep(
        name=name,
        purpose=name,
        tables=tuple(table for table in built_in_tables() if table.key in keys),
        space=load(name).space if name in BUILT_IN else (),
    )


def _begin(sweep: Sweep, dataset: Dataset, base: TrialConfig, seeds: Sequence[int]) -> Plan:
    dataset.check(base)
    described = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "provenance": dataset.provenance,
        "splits": {split: len(dataset.questions(split)) for split in dataset.splits},
    }
    document = expand(sweep, dataset.segments)
    return Plan(document, described, dataset.fingerprint, base, tuple(seeds))


def _plan_row(plan: Plan, row: Row, check: Callable[[TrialConfig], None]) -> PlannedRow:
    if row.set is None:
        return PlannedRow(row.name, None, None, {})
    try:
        config = plan.base.vary(row.set)
        check(config)
    except (ConfigError, DataError) as error:
        return PlannedRow(row.name, None, str(error), {})
    return PlannedRow(row.name, config.hash(), None, plan.add(row.name, config, plan.seeds))


def _describe(table: PlannedTable) -> dict[str, Any]:
    return {
        "key": table.key,
        "number": table.number,
        "title": table.title,
        "rows": [
            {
                "name": row.name,
                "variant": row.variant,
                "missing": row.missing,
                "trials": {str(seed): key for seed, key in row.trials.items()},
            }
            for row in table.rows
        ],
    }
