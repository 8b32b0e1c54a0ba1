"""What sweeps left behind, such that two of them can be compared to the byte."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from evidence.tables import collect
from jobs.storage import fetch
from reports.render import render
from tracking import schema
from tracking.connect import connect, run_pages
from tracking.reader import Reader

Left: TypeAlias = Mapping[str, object]
"""What it is -> all there is of it; what is there twice stands there twice."""


def left_behind(uri: str, dataset: str) -> Left:
    """Return all that sweeps on a dataset left: runs, histories, predictions, weights and tables.

    Left out is what differs from time to time: clock times, speeds, hosts and the ids of runs.

    Args:
        uri: of the tracking store.
        dataset: its name.
    """
    client, found = connect(uri), dict[str, object]()
    states: dict[str, list[tuple[str, str]]] = {}
    with tempfile.TemporaryDirectory(prefix="tass-left-") as name:
        for number, run in enumerate(runs(client, dataset)):
            tags, own = run.data.tags, _name(run)
            state = (run.info.status, tags.get(schema.STATE) or tags[schema.STATUS])
            states.setdefault(own, []).append(state)
            found[f"{own}, dataset"] = [
                (it.dataset.name, it.dataset.digest) for it in run.inputs.dataset_inputs
            ]
            if tags[schema.KIND] == "trial":
                scratch = Path(name) / str(number)
                scratch.mkdir()
                found |= {f"{own}, {it}": told for it, told in _trial(client, run, scratch)}
    return {**states, **found, "tables": tables(uri)}


def runs(client: MlflowClient, dataset: str) -> list[Run]:
    """Return the runs of a dataset's sweeps and trials."""
    experiment = client.get_experiment_by_name(schema.EXPERIMENT + dataset)
    return list(run_pages(client, [experiment.experiment_id], ""))


def histories(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Return metric -> every (epoch, value) that is there, in order, but for speeds."""
    return {
        metric: sorted(
            (point.step, point.value)
            for point in client.get_metric_history(run.info.run_id, metric)
        )
        for metric in run.data.metrics
        if metric != schema.SPEED
    }


def tables(uri: str) -> list[str]:
    """Return the lines of the finished tables, without the ids of their runs."""
    header, *rows = render(collect(Reader(uri).snapshot()), "csv").splitlines()
    assert header.endswith(",run_ids")
    return [row.rpartition(",")[0] for row in rows]


def differences(expected: Left, found: Left) -> list[str]:
    """Return what of the one is not as in the other, in words."""
    lost = [f"lost: {name}" for name in expected if name not in found]
    more = [f"there is more: {name}" for name in found if name not in expected]
    other = [
        f"not the same: {name}: {_short(found[name])} instead of {_short(expected[name])}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    return sorted([*lost, *more, *other])


def _name(run: Run) -> str:
    tags = run.data.tags
    if tags[schema.KIND] == "trial":
        return f"trial {tags[schema.TRIAL_KEY]}"
    return f"sweep {tags[schema.SWEEP_KEY]}"


def _trial(client: MlflowClient, run: Run, scratch: Path) -> Iterator[tuple[str, object]]:
    yield "params", run.data.params
    yield "rows", {k: v for k, v in run.data.tags.items() if k.startswith(f"{schema.SWEEP}.")}
    yield from histories(client, run).items()
    with contextlib.suppress(MlflowException):
        answers = client.download_artifacts(run.info.run_id, schema.PREDICTIONS, str(scratch))
        yield "predictions", _digest(Path(answers))
    checkpoint = run.data.tags.get(schema.CHECKPOINT)
    if checkpoint:
        with contextlib.suppress(FileNotFoundError):
            fetch(f"{checkpoint}/model.safetensors", scratch / "weights")
            yield "weights", _digest(scratch / "weights")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _short(told: object) -> str:
    text = str(told)
    return text if len(text) < 200 else f"{text[:100]} ... {text[-100:]}"
