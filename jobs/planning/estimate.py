"""How long a plan will take, from past trials of the same shape, and what it will store."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobs.packs import Pack
from tass_core.config import DEFAULT_SYSTEM, TrialConfig, known_fields
from tass_core.systems import system_places
from tass_core.trial import Trial
from tracking.reader import TrialRun
from tracking.schema import PARAMETERS

Pace = Callable[[TrialConfig, int], float]
"""Returns the seconds of a trial's epoch for a config, with so many packs at once."""
DOUBT = 2.0
"""A benchmark's pace is believed within this factor."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Wall-clock of a plan, in seconds."""

    seconds: float
    low: float
    high: float
    """One standard deviation of a trial's pace below and above."""
    past_trials: int
    """Trials that the estimate rests on."""
    same_shape: bool
    """Whether every pack's pace comes from trials of its own shape."""
    source: Literal["past trials", "benchmark"] = "past trials"
    startup: float | None = None
    """What of this passes before the first pack trains; None when it is not counted."""


def estimate(
    packs: Sequence[Pack], held: Mapping[str, TrialRun], slots: int, startup: float | None = None
) -> Estimate | None:
    """Return the expected wall-clock of packs on ``slots`` equal places, or None without a past.

    Args:
        packs: what is to run, in order.
        held: trials of the same dataset in MLflow.
        slots: packs that run at once.
        startup: seconds that an earlier sweep took until it trained, if one tells.
    """
    paces = _paces(held.values())
    everything = [pace for group in paces.values() for pace in group]
    if not everything:
        return None
    totals, exact = [], True
    for shift in (0.0, -1.0, 1.0):
        loads = []
        for pack in packs:
            past = paces.get(_shape(next(iter(pack.members.values())).config.flat()))
            exact = exact and past is not None
            pace = _pace(past or everything, shift)
            loads.append(sum(pace * t.config.optimiser.epochs for t in pack.members.values()))
        totals.append((startup or 0.0) + makespan(loads, slots))
    expected, low, high = totals
    return Estimate(expected, low, high, len(everything), exact, startup=startup)


def costs(held: Mapping[str, TrialRun]) -> Callable[[Trial], float]:
    """Return what tells the seconds of a trial by past ones of its shape, or of any shape.

    Without a past a trial costs its epochs.

    Args:
        held: trials of the same dataset in MLflow.
    """
    paces = {shape: statistics.mean(past) for shape, past in _paces(held.values()).items()}
    typical = statistics.mean(paces.values()) if paces else 1.0

    def cost(trial: Trial) -> float:
        pace = paces.get(_shape(trial.config.flat()), typical) if paces else typical
        return pace * trial.config.optimiser.epochs

    return cost


def estimate_by_pace(packs: Sequence[Pack], pace: Pace, slots: int) -> Estimate:
    """Return the expected wall-clock of packs on a machine that was measured.

    Args:
        packs: what is to run, in order.
        pace: as it was measured.
        slots: packs that run at once.
    """
    loads = [
        sum(pace(t.config, slots) * t.config.optimiser.epochs for t in pack.members.values())
        for pack in packs
    ]
    seconds = makespan(loads, slots)
    return Estimate(seconds, seconds / DOUBT, seconds * DOUBT, 0, False, "benchmark")


def makespan(loads: Iterable[float], slots: int) -> float:
    """Return when the last of the loads ends, each taken by the first slot that is free."""
    ends = [0.0] * max(1, slots)
    for load in loads:
        heapq.heapreplace(ends, ends[0] + load)
    return max(ends)


def checkpoint_bytes(trials: Iterable[Trial], held: Mapping[str, TrialRun]) -> int | None:
    """Return the bytes of the trials' kept weights, or None when no past trial tells."""
    sizes: dict[tuple[str, ...], float] = {}
    for past in held.values():
        if PARAMETERS in past.metrics and past.params:
            sizes[_shape(past.params)] = past.metrics[PARAMETERS]
    if not sizes:
        return None
    typical = statistics.mean(sizes.values())
    millions = sum(sizes.get(_shape(trial.config.flat()), typical) for trial in trials)
    return int(millions * 4e6)


def _paces(held: Iterable[TrialRun]) -> dict[tuple[str, ...], list[float]]:
    """Return shape -> seconds that a trial's epochs took."""
    paces: dict[tuple[str, ...], list[float]] = {}
    for trial in held:
        if trial.seconds_per_epoch and trial.params:
            paces.setdefault(_shape(trial.params), []).append(trial.seconds_per_epoch)
    return paces


def _pace(past: Sequence[float], shift: float) -> float:
    spread = statistics.stdev(past) if len(past) > 1 else 0.0
    return max(0.0, statistics.mean(past) + shift * spread)


def _shape(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what decides the cost of an epoch: the system and its network, T2, batch size."""
    system = str(values.get("system", DEFAULT_SYSTEM))
    known = known_fields(system) if system in system_places() else {}
    names = [n for n in values if n.startswith("model.") and not (n in known and known[n].free)]
    names = [*sorted(names), "data.t2", "optimiser.batch_size"]
    return (system, *(str(values.get(name)) for name in names))
