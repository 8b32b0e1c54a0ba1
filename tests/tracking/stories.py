"""The story of a sweep with one trial, as events, and all that a store holds of it."""

from mlflow import MlflowClient

from tracking.events import (
    EpochDone,
    Origin,
    SweepClosed,
    SweepOpened,
    TrialEnded,
    TrialOpened,
    WeightsDropped,
)

ORIGIN = Origin("tiny", "f1", "/runs")


def opened(sweep="s1", at=100.0):
    return SweepOpened(
        sweep=sweep,
        name="tau",
        tags={"tass.sweep": "tau", "tass.status": "running", "tass.dataset": "tiny"},
        plan={"sweep": "tau", "seeds": [0], "trials": {"k1": {}}},
        at=at,
    )


def closed(sweep="s1", startup=7.5, at=105.0):
    return SweepClosed(sweep=sweep, status="finished", startup=startup, at=at)


def trial(key="k1", sweep="s1", at=101.0):
    return TrialOpened(
        key=key,
        sweep=sweep,
        name="TASS · seed 0",
        params={"model.tau": 0.02, "seed": 0},
        tags={
            "tass.seed": "0",
            "tass.environment": "the driver's",
            "tass.fingerprint": ORIGIN.fingerprint,
        },
        at=at,
    )


def epoch(number, value, at, key="k1"):
    metrics = {"val/all": value, "train/loss": 1.0 / number, "questions_per_s": 5.0}
    return EpochDone(key=key, attempt=0, epoch=number, metrics=metrics, seconds=1.0, at=at)


def ended(key="k1", status="finished", **values):
    finished = {
        "reason": None,
        "best_epoch": 2,
        "metrics": {"val/all": 60.0, "test/all": 55.0, "params_m": 1.5, "questions_per_s": 7.0},
        "weights": f"packs/p/trials/{key}/best",
        "predictions": f"packs/p/trials/{key}/predictions.parquet",
        "seconds_per_epoch": 0.5,
        "fused": 2,
        "environment": "the worker's",
        "at": 104.0,
    }
    lost = {"reason": "why", "at": 104.0}
    known = finished if status == "finished" else lost
    return TrialEnded(key=key, attempt=0, status=status, **{**known, **values})


STORY = [opened(), trial(), epoch(1, 50.0, 102.0), epoch(2, 60.0, 103.0), ended(), closed()]
DROPPED = WeightsDropped(key="k1", at=104.5)


def contents(uri):
    """Return everything a store holds of the experiment, but for run ids."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tass/tiny").experiment_id
    found = []
    for run in client.search_runs([experiment], order_by=["attributes.start_time"]):
        tags = {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"}
        points = {
            name: [(p.step, p.value, p.timestamp) for p in history]
            for name in run.data.metrics
            if (history := client.get_metric_history(run.info.run_id, name))
        }
        found.append((run.info.status, run.info.end_time, tags, run.data.params, points))
    return found
