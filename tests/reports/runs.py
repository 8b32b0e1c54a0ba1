"""Writes a synthetic sweep into a real MLflow store, following the schema of docs/reports.md."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from search_spaces.load import load
from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig
from tass_core.data.music_avqa.vocabulary import AVERAGES
from tass_core.trial import Trial, trial_key
from tests.stores import new_store
from tracking.reader import EVERYTHING, Reader, Snapshot

TYPES = AVERAGES["all"]
FINGERPRINT = "00ff00ff00ff00ff"
SIZES = {"avst": 7.9, "lavish": 8.2, "qa-tiger": 16.5}
"""Millions of parameters of systems; others have TASS's."""
LAMBDA_ROWS = {f"λ = {value:g}": {"loss.lambda_s": value} for value in (0.0, 0.25, 0.5, 1.0)}


@dataclass
class Sweep:
    """What was written: where, and which run is which."""

    uri: str
    parent: str
    experiment_id: str
    runs: dict[tuple[str, int], str] = field(default_factory=dict)
    """(config hash, seed) -> run id."""
    hashes: dict[tuple[str, str], str] = field(default_factory=dict)
    """(table key, row name) -> config hash."""

    def snapshot(self) -> Snapshot:
        """Return what the store holds now."""
        return Reader(self.uri).snapshot(wanted=EVERYTHING)

    def run(self, table: str, row: str, seed: int) -> str:
        """Return the run behind a row and seed of a table."""
        return self.runs[self.hashes[table, row], seed]


def answers(seed: int, shift: float, noise: int, per_type: int) -> dict[str, np.ndarray]:
    """Return correctness by type; variants share questions and the seed's easy and hard ones."""
    difficulty = np.random.default_rng(7).uniform(0.3, 0.95, size=(len(TYPES), per_type))
    common = np.random.default_rng((1, seed)).uniform(size=difficulty.shape)
    private = np.random.default_rng((2, seed, noise)).uniform(size=difficulty.shape)
    mixed = np.where(
        private < 0.25,
        np.random.default_rng((3, seed, noise)).uniform(size=difficulty.shape),
        common,
    )
    correct = mixed < difficulty + shift
    return {name: correct[i] for i, name in enumerate(TYPES)}


def plan_rows(keys: Sequence[str]) -> dict[str, dict[str, Mapping[str, Any] | None]]:
    """Return table key -> row name -> overrides."""
    known = {
        table.key: {row.name: row.set for row in table.rows} for table in load("ablations").tables
    }
    known["lambda"] = dict(LAMBDA_ROWS)
    [beyond] = (table for table in load("systems").tables if table.key == "beyond")
    known["beyond"] = {row.name: row.set for row in beyond.rows}
    return {key: known[key] for key in keys}


def write_sweep(
    folder: Path,
    *,
    keys: Sequence[str] = ("table2",),
    seeds: Sequence[int] = (0, 1, 2),
    shifts: Mapping[str, float] | None = None,
    per_type: int = 30,
    name: str = "ablations",
    provenance: str = "procedural",
    skip_metrics: Sequence[str] = (),
    base: Mapping[str, Any] | None = None,
    tracking_uri: str | None = None,
    further: str | None = None,
) -> Sweep:
    """Write a finished sweep; ``shifts`` moves the accuracy of rows by name, ``base`` its config.

    The answers to the test questions are also those to a ``further`` test of the dataset.

    Without ``tracking_uri`` it goes to an SQLite file and local artifacts in ``folder``.
    """
    uri = tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
    if not tracking_uri and not (folder / "mlflow.db").exists():
        new_store(folder)
    location = None if tracking_uri else str(folder / "mlartifacts")
    client = MlflowClient(tracking_uri=uri)
    existing = client.get_experiment_by_name("tass/toy")
    experiment = (
        existing.experiment_id
        if existing
        else client.create_experiment("tass/toy", artifact_location=location)
    )
    settings = {"model.width": 64, "optimiser.epochs": 3} | dict(base or {})
    full = TrialConfig().with_values(settings)
    common = {
        "tass.fingerprint": FINGERPRINT,
        "tass.training_version": str(TRAINING_VERSION),
        "tass.dataset": "toy",
        "tass.provenance": provenance,
    }
    parent = client.create_run(
        experiment,
        run_name=name,
        tags={
            **common,
            "tass.kind": "sweep",
            "tass.sweep": name,
            "tass.command": f"tass-cli sweep {name}",
            "tass.status": "finished",
            "tass.environment.torch": "2.13.0",
        },
    ).info.run_id
    sweep = Sweep(uri, parent, experiment)
    plan = _plan(full, keys, seeds, per_type, name, provenance, sweep)
    if further:
        plan["dataset"]["splits"][further] = plan["dataset"]["splits"]["test"]
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    client.log_artifact(parent, str(path))
    done: dict[str, str] = {}
    for table in plan["tables"]:
        for row in table["rows"]:
            if row["variant"] and row["variant"] not in done:
                done[row["variant"]] = row["name"]
                shift = (shifts or {}).get(row["name"], 0.0)
                for seed in seeds:
                    _write_trial(
                        client,
                        sweep,
                        plan,
                        row,
                        seed,
                        shift,
                        len(done),
                        per_type,
                        common,
                        skip_metrics,
                        further,
                    )
    client.set_terminated(parent)
    return sweep


def _plan(
    base: TrialConfig,
    keys: Sequence[str],
    seeds: Sequence[int],
    per_type: int,
    name: str,
    provenance: str,
    sweep: Sweep,
) -> dict[str, Any]:
    variants: dict[str, Any] = {}
    trials: dict[str, Any] = {}
    tables = []
    for key, rows in plan_rows(keys).items():
        planned = []
        for row, overrides in rows.items():
            if overrides is None:
                planned.append({"name": row, "variant": None, "missing": None, "trials": {}})
                continue
            config = base.with_values(dict(overrides))
            if config.model.encoder != "clip":
                planned.append(
                    {
                        "name": row,
                        "variant": None,
                        "missing": "the dataset has no resnet18-glove features",
                        "trials": {},
                    }
                )
                continue
            digest = config.hash()
            sweep.hashes[key, row] = digest
            variants.setdefault(digest, {"name": row, "config": config.flat()})
            by_seed = {str(seed): trial_key(Trial(config, seed), FINGERPRINT) for seed in seeds}
            trials |= {k: {"variant": digest, "seed": int(s)} for s, k in by_seed.items()}
            planned.append({"name": row, "variant": digest, "missing": None, "trials": by_seed})
        tables.append({"key": key, "rows": planned})
    return {
        "sweep": name,
        "dataset": {
            "name": "toy",
            "fingerprint": FINGERPRINT,
            "provenance": provenance,
            "splits": {"train": 100, "val": 50, "test": per_type * len(TYPES)},
        },
        "base": base.flat(),
        "seeds": list(seeds),
        "training_version": TRAINING_VERSION,
        "tables": tables,
        "variants": variants,
        "trials": trials,
    }


def _write_trial(
    client: MlflowClient,
    sweep: Sweep,
    plan: Mapping[str, Any],
    row: Mapping[str, Any],
    seed: int,
    shift: float,
    noise: int,
    per_type: int,
    common: Mapping[str, str],
    skip_metrics: Sequence[str],
    further: str | None,
) -> None:
    correct = answers(seed, shift, noise, per_type)
    run = client.create_run(
        sweep.experiment_id,
        run_name=f"{row['name']} · seed {seed}",
        tags={
            **common,
            "tass.kind": "trial",
            "tass.trial_key": row["trials"][str(seed)],
            "tass.variant": row["name"],
            "tass.config_hash": row["variant"],
            "tass.seed": str(seed),
            "tass.state": "finished",
            "mlflow.parentRunId": sweep.parent,
        },
    ).info.run_id
    config = plan["variants"][row["variant"]]["config"]
    scores = {name: 100 * float(values.mean()) for name, values in correct.items()}
    for name, parts in AVERAGES.items():
        scores[name] = 100 * float(np.concatenate([correct[p] for p in parts]).mean())
    final = {f"test/{name}": value for name, value in scores.items()}
    if further:
        final |= {f"test/{further}/{name}": value for name, value in scores.items()}
    final |= {
        "best_epoch": 3.0,
        "params_m": SIZES.get(config.get("system"), 2.6)
        + 0.5 * (config.get("model.structure") == "dual"),
        "ground/spatial": 40.0 + 100 * shift + seed,
        "ground/temporal": 30.0 + 50 * shift + seed,
        "ground/spatial_uniform": 9.0,
        "ground/temporal_uniform": 28.0,
    }
    if config.get("model.temporal_grounding"):
        synchronised = config.get("loss.cms") != "none"
        final["test/asynchrony"] = (2.0 if synchronised else 20.0) + 0.1 * seed + 0.05 * noise
        final["test/audio_focus"] = 0.0 if config.get("model.structure") == "dual" else 5.0 + seed
    for part in ("spatial", "temporal"):
        if config.get(f"model.{part}_grounding"):
            final[f"val/{part}_entropy"] = 1.0
        else:
            del final[f"ground/{part}"], final[f"ground/{part}_uniform"]
    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, 3) for key, value in final.items() if key not in skip_metrics
    ]
    for epoch in (1, 2, 3):
        metrics.append(Metric("val/all", scores["all"] - 5 / epoch, now, epoch))
        metrics.append(Metric("train/loss", 2.0 / epoch, now, epoch))
    params = [Param(key, str(value)) for key, value in config.items()]
    client.log_batch(run, metrics, [*params, Param("seed", str(seed))], [RunTag("tass.x", "1")])
    _log_predictions(client, run, correct, ("test", further) if further else ("test",))
    client.set_terminated(run)
    sweep.runs[row["variant"], seed] = run


def _log_predictions(
    client: MlflowClient, run: str, correct: Mapping[str, np.ndarray], splits: Sequence[str]
) -> None:
    flat = np.concatenate(list(correct.values()))
    tables = [
        pa.table(
            {
                "question_id": pa.array(np.arange(len(flat)), pa.int64()),
                "type": pa.array(np.repeat(TYPES, len(correct[TYPES[0]])).tolist()),
                "answer": pa.array(["yes"] * len(flat)),
                "predicted": pa.array(np.where(flat, "yes", "no").tolist()),
                "correct": pa.array(flat),
                "split": pa.array([split] * len(flat)),
                "video": pa.array([f"video {question // 3}" for question in range(len(flat))]),
            }
        )
        for split in splits
    ]
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.concat_tables(tables), Path(folder) / "test.parquet")
        client.log_artifact(run, str(Path(folder) / "test.parquet"), "predictions")
