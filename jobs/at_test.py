"""The other kind of "without": stored checkpoints answer the test questions with a row's settings.

A row of a table is trained with its settings. Here the trained weights of what it is compared to
run with them instead: a module switched off, a threshold moved, the order changed. Nothing is
trained. The answers become rows of a sweep of their own, beside the trained rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evidence.families import reference_rows
from jobs.answers import Answers, publish_answers
from jobs.storage import fetch
from search_spaces.columns import COLUMNS
from search_spaces.describe import describe
from search_spaces.document import Sweep, Table
from search_spaces.plan import planned_document
from tass_core import TRAINING_VERSION
from tass_core.checkpoints import Checkpoint, load_checkpoint
from tass_core.config import TrialConfig, digest
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import ReportError
from tass_core.evaluation.answering import evaluate
from tass_core.evaluation.predictions import join
from tass_core.systems import build_network
from tracking.reader import Snapshot, SweepRun, TrialRun, chosen

SUFFIX = "at-test"


@dataclass(frozen=True, slots=True)
class _Switch:
    """A row whose settings the trained weights of its reference take at test."""

    row: str
    variant: str
    """Its config's hash."""
    config: TrialConfig
    reference: Mapping[int, str]
    """Seed -> trial key of what it is compared to."""

    @property
    def name(self) -> str:
        """The name of the new row."""
        return f"{self.row}, at test"

    @property
    def address(self) -> str:
        """In place of a config's hash."""
        return digest([SUFFIX, sorted(self.reference.items()), self.variant])[:16]

    def key(self, seed: int) -> str:
        """Return what stands in place of a trial's key."""
        return digest([SUFFIX, self.reference[seed], self.variant])[:16]


def evaluate_at_test(
    snapshot: Snapshot,
    sweep: SweepRun,
    dataset: Dataset,
    *,
    uri: str,
    command: str,
    note: Callable[[str], None],
) -> str:
    """Answer with every row's settings what is not answered yet; return the new sweep's name.

    Args:
        snapshot: what the store holds.
        sweep: whose rows are taken.
        dataset: what it was trained on.
        uri: the tracking URI that the answers are written to.
        command: the command line, to be found again in MLflow.
        note: is told what cannot be evaluated, and why.

    Raises:
        ReportError: it is not this dataset, another version trained the sweep, or no row of it
            can be switched at test.
        TrackingError: the store does not take the answers.
    """
    _check(sweep, dataset)
    switches = {table["key"]: _switches(sweep, table) for table in sweep.plan["tables"]}
    answers: dict[str, Answers] = {}
    refused: dict[str, str] = {}
    wanted = {it.address: it for found in switches.values() for it in found}
    loaded = _Checkpoints(snapshot, note)
    for address, switch in wanted.items():
        reason = _obstacle(switch, loaded, dataset)
        if reason is not None:
            refused[address] = reason
            note(f"{switch.row}: {reason}")
            continue
        for seed, key in switch.reference.items():
            held = snapshot.trials.get(switch.key(seed))
            checkpoint = None if held and chosen(held).state == "finished" else loaded.of(key)
            if checkpoint is not None:
                answers[switch.key(seed)] = _answer(switch, seed, checkpoint, dataset)
    plan = _plan(sweep, switches, refused)
    if not plan["tables"]:
        raise ReportError(
            f"sweep '{sweep.name}' has no row that can be switched at test: each needs weights "
            "that what it is compared to does not have, or changes training alone"
        )
    key = digest([SUFFIX, plan["tables"]])[:16]
    given = list(answers.values())
    publish_answers(plan, key, given, dataset=dataset, uri=uri, command=command)
    return str(plan["sweep"])


class _Checkpoints:
    """Stored checkpoints by trial key, each read once."""

    def __init__(self, snapshot: Snapshot, note: Callable[[str], None]) -> None:
        self._snapshot, self._note = snapshot, note
        self._found: dict[str, Checkpoint | None] = {}

    def of(self, key: str) -> Checkpoint | None:
        """Return a finished trial's checkpoint, or None once it was said that there is none."""
        if key not in self._found:
            runs = self._snapshot.trials.get(key, ())
            run = chosen(runs) if runs else None
            self._found[key] = None if run is None else self._load(run)
        return self._found[key]

    def _load(self, run: TrialRun) -> Checkpoint | None:
        with tempfile.TemporaryDirectory(prefix="tass-at-test-") as folder:
            try:
                if run.state != "finished" or not run.checkpoint:
                    raise FileNotFoundError("it was not kept")
                fetch(run.checkpoint, Path(folder) / "checkpoint")
            except FileNotFoundError as error:
                self._note(f"{run.variant}, seed {run.seed}: no checkpoint ({error})")
                return None
            return load_checkpoint(Path(folder) / "checkpoint")


def _check(sweep: SweepRun, dataset: Dataset) -> None:
    if dataset.fingerprint != sweep.fingerprint:
        raise ReportError(
            f"{dataset.folder}: fingerprint {dataset.fingerprint}, but sweep '{sweep.name}' was "
            f"trained on '{sweep.dataset}' {sweep.fingerprint}; name its dataset with --data"
        )
    if sweep.training_version != str(TRAINING_VERSION):
        raise ReportError(
            f"sweep '{sweep.name}' was trained by version {sweep.training_version} of the training "
            f"code, this is {TRAINING_VERSION}; run it again, or use that version"
        )


def _switches(sweep: SweepRun, table: Mapping[str, Any]) -> list[_Switch]:
    """Return the rows of a table that are compared to another function of the same system."""
    spec = next((it for it in planned_document(sweep.plan).tables if it.key == table["key"]), None)
    rows = {row["name"]: row for row in table["rows"]}
    named = reference_rows(sweep.plan, table["rows"], None if spec is None else spec.reference)
    configs = {
        address: TrialConfig().with_values(variant["config"]).canonical()
        for address, variant in sweep.plan["variants"].items()
    }
    return [
        _Switch(
            name,
            rows[name]["variant"],
            configs[rows[name]["variant"]],
            {int(seed): key for seed, key in rows[reference]["trials"].items()},
        )
        for name, reference in named.items()
        if rows[name]["variant"] != rows[reference]["variant"]
        and configs[rows[name]["variant"]].system == configs[rows[reference]["variant"]].system
    ]


def _obstacle(switch: _Switch, loaded: _Checkpoints, dataset: Dataset) -> str | None:
    """Return why a row's settings cannot be taken at test, or None."""
    keys = switch.reference.values()
    checkpoint = next((found for key in keys if (found := loaded.of(key)) is not None), None)
    if checkpoint is None:
        return "no checkpoint of what it is compared to is stored (--keep)"
    own, theirs = switch.config, checkpoint.trial.config.canonical()
    if (own.model, own.data) == (theirs.model, theirs.data):
        return "it changes training alone, and is the same function at test"
    have = checkpoint.model.state_dict()
    needed = build_network(own, dataset.shapes(own)).state_dict()
    lacking = [name for name, value in needed.items() if _shape(have, name) != value.shape]
    if lacking:
        more = ", ..." if len(lacking) > 2 else ""
        return f"it needs weights that were not trained: {', '.join(lacking[:2])}{more}"
    return None


def _shape(state: Mapping[str, torch.Tensor], name: str) -> torch.Size | None:
    return state[name].shape if name in state else None


def _answer(switch: _Switch, seed: int, checkpoint: Checkpoint, dataset: Dataset) -> Answers:
    """Return the answers of trained weights with a row's settings, on one thread as in training."""
    network = build_network(switch.config, dataset.shapes(switch.config))
    _take(network, checkpoint.model)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        parts = [
            evaluate(network.eval(), dataset, switch.config, split).predictions(split, dataset)
            for split in dataset.tests
        ]
    finally:
        torch.set_num_threads(threads)
    return Answers(
        key=switch.key(seed),
        name=switch.name,
        variant=switch.address,
        seed=seed,
        found=join(parts),
        params={"at_test": switch.variant, "weights": checkpoint.key},
    )


def _take(network: nn.Module, trained: nn.Module) -> None:
    have = trained.state_dict()
    network.load_state_dict({name: have[name] for name in network.state_dict()})


def _plan(
    sweep: SweepRun, switches: Mapping[str, list[_Switch]], refused: Mapping[str, str]
) -> dict[str, Any]:
    """Return the new sweep's plan: of each table what is compared, trained so and at test."""
    document, tables, specs = planned_document(sweep.plan), [], []
    variants: dict[str, Any] = {}
    for table in sweep.plan["tables"]:
        found = [it for it in switches[table["key"]] if it.address not in refused]
        spec = next((it for it in document.tables if it.key == table["key"]), None)
        if spec is None or not found:
            continue
        compared = {it.row: it for it in found}
        references = {tuple(sorted(it.reference.items())) for it in found}
        rows = []
        for row in table["rows"]:
            own = tuple(sorted((int(seed), key) for seed, key in row["trials"].items()))
            if row["name"] not in compared and own not in references:
                continue
            rows.append(row)
            variants[row["variant"]] = sweep.plan["variants"][row["variant"]]
            if row["name"] in compared:
                rows.append(_row(compared[row["name"]]))
                known = {"name": compared[row["name"]].name}
                variants[compared[row["name"]].address] = variants[row["variant"]] | known
        key, number = f"{SUFFIX}-{table['key']}", f"{spec.number}, at test"
        title = f"{spec.title}: trained so, and switched at test"
        tables.append({**table, "key": key, "number": number, "title": title, "rows": rows})
        kept = tuple(row for row in spec.rows if row.name in {it["name"] for it in rows})
        columns = tuple(name for name in spec.columns if COLUMNS[name].types)
        specs.append(Table(key, number, title, columns, kept, spec.reference))
    name = f"{sweep.name}-{SUFFIX}"
    own_document = Sweep(name, f"{document.purpose} Checkpoints with rows' settings.", tuple(specs))
    trained = {key for table in tables for row in table["rows"] for key in row["trials"].values()}
    return {
        **{key: sweep.plan[key] for key in ("dataset", "base", "seeds", "training_version")},
        "sweep": name,
        "document": describe(own_document),
        "at_test": True,
        "tables": tables,
        "variants": variants,
        "trials": {key: it for key, it in sweep.plan["trials"].items() if key in trained},
    }


def _row(switch: _Switch) -> dict[str, Any]:
    trials = {str(seed): switch.key(seed) for seed in switch.reference}
    return {
        "name": switch.name,
        "variant": switch.address,
        "missing": None,
        "trials": trials,
        "at_test": switch.row,
    }
