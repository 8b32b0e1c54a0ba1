"""One static page about a sweep: plan, tables, claims, figures, trials, how to rerun it.

The page needs no server, no network and no second file: figures are inside it. It is built
from one reading of the tracking store alone, and a template draws it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from evidence.claims import ClaimsReport, check
from evidence.results import ResultTable, origin
from evidence.selection import Chosen, base, canonical, choose
from evidence.tables import collect
from reports.figures import Drawing, draw_forest, table_drawings
from reports.render.claims import headline
from reports.render.data import claims_json, tables_csv, tables_json
from reports.render.methods import methods
from reports.searches import search_drawings
from tracking import schema
from tracking.reader import Snapshot, SweepRun, TrialRun

PACKAGES = ("tass-lab", "torch", "ray", "optuna", "mlflow", "numpy", "scipy", "statsmodels")


@dataclass(frozen=True, slots=True)
class VariantRuns:
    """One variant as the page lists it."""

    name: str
    config_hash: str
    changes: str
    """What it changes in its sweep's base config."""
    config: str
    """The whole config, as JSON."""
    runs: tuple[TrialRun, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the page says, before it is drawn."""

    sweep: SweepRun
    """The sweep whose parent run the page belongs to."""
    plans: tuple[Mapping[str, str], ...]
    """What each sweep planned, by name of the fact."""
    tables: tuple[ResultTable, ...]
    claims: ClaimsReport
    forest: Drawing | None
    """Every difference with its interval; None where there is none."""
    drawings: tuple[Drawing, ...]
    variants: tuple[VariantRuns, ...]
    commands: str
    recorded: Mapping[str, str]
    """What the sweeps recorded of their environments."""
    made_with: Mapping[str, str]
    address: str
    """The tracking URI as it may be shown."""
    cost: str
    """What the trials took, in words."""
    methods: str
    """How the numbers were made, a paragraph to paste."""
    downloads: Mapping[str, str]
    """File name -> its content: all that the page shows, as data."""

    @property
    def finding(self) -> str:
        """What the runs say, in one sentence."""
        return headline(self.claims, self.tables)

    @property
    def summary(self) -> str:
        """How many tables and holes there are."""
        holes = sum(len(table.holes) for table in self.tables)
        return f"{len(self.tables)} tables with {holes} {'hole' if holes == 1 else 'holes'}."

    @property
    def pictures(self) -> tuple[Drawing, ...]:
        """All its drawings, the forest plot first."""
        return self.drawings if self.forest is None else (self.forest, *self.drawings)


def build(snapshot: Snapshot, *, sweep: str | None = None, margin: float | None = None) -> Page:
    """Return the page about a tracking store.

    Args:
        snapshot: what the store holds.
        sweep: run id or name of one sweep; without it each table's most recent one.
        margin: differences below it are not worth naming, in points; None: each sweep's own.

    Raises:
        ReportError: there is no sweep with a table.
        TrackingError: there is no such sweep.
    """
    chosen = choose(snapshot, sweep=sweep)
    sweeps = list({found.sweep.run_id: found.sweep for found in chosen}.values())
    main = _main(chosen)
    tables = collect(snapshot, sweep=sweep, margin=margin)
    claims = check(snapshot, sweep=sweep, margin=margin)
    drawings = [*table_drawings(snapshot, tables, sweeps), *search_drawings(snapshot, main)]
    return Page(
        sweep=main,
        plans=tuple(_plan(found) for found in sweeps),
        tables=tuple(tables),
        claims=claims,
        forest=draw_forest(tables),
        drawings=tuple(drawings),
        variants=tuple(_variants(snapshot, sweeps)),
        commands="\n".join(found.command for found in reversed(sweeps) if found.command),
        recorded=_recorded(sweeps),
        made_with={
            "Python": platform.python_version(),
            "Machine": platform.platform(),
            **{name: _version(name) for name in PACKAGES},
        },
        address=snapshot.address,
        cost=_cost(snapshot, sweeps),
        methods=methods(main, tables),
        downloads={
            "tables.csv": tables_csv(tables),
            "tables.json": tables_json(tables),
            "claims.json": claims_json(claims),
        },
    )


def _main(chosen: Sequence[Chosen]) -> SweepRun:
    """Return the sweep that stands for most tables, of several the most recent."""
    stands = [found.sweep.run_id for found in chosen]
    order = {found.sweep.run_id: found.sweep for found in chosen}
    return max(order.values(), key=lambda sweep: (stands.count(sweep.run_id), sweep.started))


def _plan(sweep: SweepRun) -> dict[str, str]:
    splits = sweep.plan.get("dataset", {}).get("splits", {})
    started = datetime.fromtimestamp(sweep.started / 1000, UTC)
    return {
        "Sweep": f"{sweep.name} ({sweep.status})",
        "Command": sweep.command or "not recorded",
        "Started": started.strftime("%Y-%m-%d %H:%M UTC"),
        "Dataset": f"{origin(sweep.provenance, sweep.dataset)}, fingerprint {sweep.fingerprint}",
        "Questions": ", ".join(f"{count} {name}" for name, count in splits.items()),
        "Base config": ", ".join(f"{name}={value}" for name, value in base(sweep).items()),
        "Seeds": ", ".join(str(seed) for seed in sweep.seeds),
        "Variants": str(len(sweep.plan.get("variants", {}))),
        "Trials": str(len(sweep.keys)),
        "Tables": ", ".join(table["key"] for table in sweep.plan.get("tables", ())),
        "Training version": sweep.training_version,
        "MLflow run": sweep.run_id,
    }


def _cost(snapshot: Snapshot, sweeps: Sequence[SweepRun]) -> str:
    """Return how many trials there are and what training them took."""
    keys = dict.fromkeys(key for sweep in sweeps for key in sorted(sweep.keys))
    runs = [run for key in keys for run in snapshot.trials.get(key, ())[:1]]
    epochs = {sweep.run_id: int(base(sweep)["optimiser.epochs"]) for sweep in sweeps}
    most = max(epochs.values(), default=0)
    spent = sum((run.seconds_per_epoch or 0.0) * epochs.get(run.parent, most) for run in runs)
    took = f", about {spent / 3600:.1f} hours of training" if spent >= 360 else ""
    return f"{len(runs)} trials{took}"


def _variants(snapshot: Snapshot, sweeps: Sequence[SweepRun]) -> list[VariantRuns]:
    """Return the sweeps' variants that have runs, by name."""
    found: dict[str, VariantRuns] = {}
    for sweep in sweeps:
        full = base(sweep)
        runs: dict[str, list[TrialRun]] = {}
        for key in sweep.keys:
            for run in snapshot.trials.get(key, ()):
                runs.setdefault(run.config_hash, []).append(run)
        for address, variant in sweep.plan.get("variants", {}).items():
            if address in runs and address not in found:
                config = canonical(variant["config"])
                changed = [f"{k}={v}" for k, v in config.items() if full.get(k) != v]
                found[address] = VariantRuns(
                    name=variant["name"],
                    config_hash=address,
                    changes=", ".join(changed) or "the base config",
                    config=json.dumps(config, indent=1),
                    runs=tuple(sorted(runs[address], key=lambda run: run.seed)),
                )
    return sorted(found.values(), key=lambda variant: variant.name)


def _recorded(sweeps: Sequence[SweepRun]) -> dict[str, str]:
    return {
        f"{sweep.name}: {key.removeprefix('tass.')}": value
        for sweep in sweeps
        for key, value in sorted(sweep.tags.items())
        if "version" in key or key.startswith(("mlflow.source", f"{schema.ENVIRONMENT}."))
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
