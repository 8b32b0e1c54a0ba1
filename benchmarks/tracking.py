"""MLflow writes: one batch for an epoch of a trial against one call for each metric.

Run ``python -m benchmarks.tracking [--tracking-uri URI] [--epochs N]``; without a URI a SQLite
file in a temporary folder is used.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlflow.entities import Metric

from benchmarks.tables import print_machine, print_table
from tracking.connect import connect
from tracking.events import EpochDone, Origin
from tracking.outbox import Outbox

METRICS = 20
"""Metrics of one epoch of one trial, as many as the platform logs."""


def measure(write: Callable[[int], None], epochs: int) -> float:
    """Return metric values written per second."""
    start = time.perf_counter()
    for epoch in range(1, epochs + 1):
        write(epoch)
    return epochs * METRICS / (time.perf_counter() - start)


def main() -> None:
    """Measure single calls, batches and the outbox, and print values per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracking-uri")
    parser.add_argument("--epochs", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tass-tracking-") as name:
        uri = options.tracking_uri or f"sqlite:///{name}/mlflow.db"
        client = connect(uri)
        experiment = client.create_experiment(f"benchmark-{time.time_ns()}")
        runs = [client.create_run(experiment).info.run_id for _ in range(2)]
        outbox, origin = Outbox(Path(name), uri), Origin("demo", "f", name)

        def points(epoch: int) -> list[Metric]:
            at = int(time.time() * 1000)
            return [Metric(f"val/{i}", float(i), at, epoch) for i in range(METRICS)]

        def single(epoch: int) -> None:
            for point in points(epoch):
                client.log_metric(runs[0], point.key, point.value, point.timestamp, point.step)

        def batched(epoch: int) -> None:
            client.log_batch(runs[1], metrics=points(epoch))

        def posted(epoch: int) -> None:
            values = {point.key: point.value for point in points(epoch)}
            done = EpochDone(
                key="k", attempt=0, epoch=epoch, metrics=values, seconds=1.0, at=time.time()
            )
            outbox.post(origin, [done])

        rates = {
            "one call a metric": measure(single, options.epochs),
            "one batch an epoch": measure(batched, options.epochs),
            "outbox (fsync)": measure(posted, options.epochs),
        }
        client.delete_experiment(experiment)
    print_machine()
    print(f"{options.epochs} epochs of {METRICS} metrics into {uri.partition(':')[0]}.\n")
    first = rates["one call a metric"]
    rows = [(label, f"{rate:.0f}", f"{rate / first:.1f}") for label, rate in rates.items()]
    print_table(("", "values/s", "times as fast"), rows)


if __name__ == "__main__":
    main()
