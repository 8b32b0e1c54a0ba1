"""Runs from a store that MLflow answers for, and the files of runs that lie elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from tracking import schema
from tracking.connect import PAGE, connect, every_page, run_pages
from tracking.rows import OURS, Row, Wanted, newest


class Server:
    """Asks MLflow: a server, or whatever else it can open.

    Args:
        uri: the tracking URI.

    Raises:
        TrackingError: the store does not answer.
    """

    faults: tuple[type[Exception], ...] = (MlflowException, RequestException, SQLAlchemyError)

    def __init__(self, uri: str) -> None:
        self._client = connect(uri)

    def experiments(self) -> dict[str, str]:
        """Return the ids of the experiments that nobody has deleted, by their names."""
        found: Iterator[Experiment] = every_page(
            lambda token: self._client.search_experiments(max_results=PAGE, page_token=token)
        )
        return {it.name: it.experiment_id for it in found}

    def runs(self, experiments: Sequence[str], kind: str, wanted: Wanted) -> list[Row]:
        """Return the runs of a kind in some experiments, the most recent first."""
        if not experiments:
            return []
        condition = f"tags.`{schema.KIND}` = '{kind}'"
        found = run_pages(self._client, experiments, condition)
        return newest([_kept(run, wanted) for run in found])

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, by step; of several values of a step the last."""
        points = self._client.get_metric_history(run_id, metric)
        return sorted({point.step: point.value for point in points}.items())

    def artifact(self, run_id: str, name: str, folder: Path) -> Path | None:
        """Bring a run's file into a folder; return its path, or None when there is none."""
        parent = name.rpartition("/")[0] or None
        if name not in {entry.path for entry in self._client.list_artifacts(run_id, parent)}:
            return None
        return Path(self._client.download_artifacts(run_id, name, str(folder)))


def _kept(run: Run, wanted: Wanted) -> Row:
    """Return what is wanted of a run that a server returned."""
    info, data = run.info, run.data
    return Row(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment_id=info.experiment_id,
        status=info.status,
        started=info.start_time,
        artifact_uri=info.artifact_uri,
        tags={sys.intern(k): v for k, v in data.tags.items() if k.startswith(OURS)},
        params={sys.intern(k): v for k, v in data.params.items()} if wanted.params else {},
        metrics={
            sys.intern(key): value
            for key, value in data.metrics.items()
            if wanted.metrics and key.startswith(wanted.metrics)
        },
    )
