# ruff: noqa: D102
"""A tracking store in memory, for simulations: MLflow's client, method by method.

It forgets params and histories, so that a process that simulates a driver is as large as the
driver's own values.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Experiment, Metric, Param, Run, RunData, RunInfo, RunInputs, RunTag
from mlflow.store.entities import PagedList


class Memory:
    """MLflow's client over a dictionary; ``calls`` counts what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._experiments: dict[str, Experiment] = {}
        self._runs: dict[str, Run] = {}
        self._found: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.calls: Counter[str] = Counter()

    def search_experiments(self, **_: Any) -> PagedList:
        return PagedList(self._experiments.values(), None)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        return self._experiments.get(name)

    def get_experiment(self, _: str) -> Experiment:
        (found,) = self._experiments.values()
        return found

    def create_experiment(self, name: str, artifact_location: str | None) -> str:
        self._experiments[name] = Experiment("1", name, artifact_location, "active")
        return "1"

    def set_experiment_tag(self, experiment: str, key: str, value: str) -> None:
        self.calls["set_experiment_tag"] += 1
        self.get_experiment(experiment).tags[key] = value

    def create_run(
        self, experiment: str, start_time: int, tags: Mapping[str, str], run_name: str
    ) -> Run:
        self.calls["create_run"] += 1
        run_id = f"{len(self._runs):032x}"
        kind = tags["tass.kind"]
        place = self._folder / (run_id if kind == "sweep" else kind)
        info = RunInfo(
            run_id,
            experiment,
            "me",
            "RUNNING",
            start_time,
            None,
            "active",
            str(place),
            run_name=run_name,
        )
        data = RunData(tags=[RunTag(*pair) for pair in tags.items()])
        self._runs[run_id] = Run(info, data, RunInputs([]))
        for pair in tags.items():
            if pair[0].endswith("_key") or pair[0] == "tass.kind":
                self._found[pair].append(run_id)
        return self._runs[run_id]

    def get_run(self, run_id: str) -> Run:
        self.calls["get_run"] += 1
        return self._runs[run_id]

    def search_runs(
        self, _: Sequence[str], condition: str, max_results: int, page_token: str | None = None
    ) -> PagedList:
        self.calls["search_runs"] += 1
        found = re.fullmatch(r"tags\.`(.*)` = '(.*)'", condition)
        assert found is not None, condition
        start = int(page_token or 0)
        ids = self._found.get((found[1], found[2]), [])
        end = start + max_results
        page = [self._runs[run_id] for run_id in ids[start:end]]
        return PagedList(page, str(end) if end < len(ids) else None)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),  # noqa: ARG002
        tags: Sequence[RunTag] = (),
    ) -> None:
        self.calls["log_batch"] += 1
        data = self._runs[run_id].data
        data.tags.update((tag.key, tag.value) for tag in tags)
        kept = ("best_val", "best_epoch", "test/all")
        data.metrics.update((it.key, it.value) for it in metrics if it.key in kept)

    def log_inputs(self, *_: Any) -> None:
        self.calls["log_inputs"] += 1

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self.calls["set_tag"] += 1
        self._runs[run_id].data.tags[key] = value

    def get_metric_history(self, *_: Any) -> list[Metric]:
        self.calls["get_metric_history"] += 1
        return []

    def update_run(self, run_id: str, status: str) -> None:
        self.calls["update_run"] += 1
        self._runs[run_id].info._status = status

    def set_terminated(self, run_id: str, status: str, _end: int) -> None:
        self.calls["set_terminated"] += 1
        self._runs[run_id].info._status = status

    def log_dict(self, run_id: str, values: Mapping[str, Any], name: str) -> None:
        self.calls["log_dict"] += 1
        path = Path(self._runs[run_id].info.artifact_uri) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def log_text(self, run_id: str, text: str, name: str) -> None:
        self.calls["log_text"] += 1
        path = Path(self._runs[run_id].info.artifact_uri) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def log_artifact(self, run_id: str, path: str, folder: str) -> None:
        self.calls["log_artifact"] += 1
        target = Path(self._runs[run_id].info.artifact_uri) / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)

    def download_artifacts(self, run_id: str, name: str, folder: str) -> str:
        self.calls["download_artifacts"] += 1
        path = Path(self._runs[run_id].info.artifact_uri) / name
        return str(shutil.copy(path, folder))
