"""What a pack tells the driver: results of the trainer as plain data, and back."""

from __future__ import annotations

from typing import Any

from tass_core.training import EpochResult, TrialResult

Event = dict[str, Any]


def describe(result: EpochResult | TrialResult, pack_key: str) -> Event:
    """Return a result as plain data; paths become relative to the storage."""
    if isinstance(result, EpochResult):
        return {
            "kind": "epoch",
            "key": result.key,
            "epoch": result.epoch,
            "metrics": dict(result.metrics),
            "at": result.finished_at,
        }
    place = f"packs/{pack_key}/trials/{result.key}"
    return {
        "kind": "end",
        "key": result.key,
        "status": result.status,
        "reason": result.reason,
        "best_epoch": result.best_epoch,
        "metrics": dict(result.metrics),
        "weights": result.weights and f"{place}/{result.weights.name}",
        "predictions": result.predictions and f"{place}/{result.predictions.name}",
        "fused": result.fused,
        "at": result.finished_at,
    }


def failure(key: str, reason: str, at: float) -> Event:
    """Return the end of a trial whose process could not finish it, for good."""
    return {
        "kind": "end",
        "key": key,
        "status": "failed",
        "reason": reason,
        "best_epoch": 0,
        "metrics": {},
        "weights": None,
        "predictions": None,
        "final": True,
        "at": at,
    }
