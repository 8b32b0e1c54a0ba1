"""Everything that happens to sweeps and trials, as values that survive a process.

Workers make the events of a trial, the driver makes the others. An event is never changed on
its way: what becomes known later is another event. Nothing here imports torch or MLflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias, get_args

from tass_core.errors import TrackingError


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events come from; it travels with them, whoever carries them on."""

    dataset: str
    """The dataset's name."""
    fingerprint: str
    storage: str
    """The storage that the events' paths belong to, as any node names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOpened:
    """A driver starts or continues a sweep."""

    sweep: str
    """The sweep's key."""
    name: str
    plan: Mapping[str, Any]
    """As ``search_spaces.plan.Plan.to_dict`` returns it."""
    tags: Mapping[str, str]
    at: float
    """Seconds since 1970, as in every event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGrew:
    """A sweep's plan has more trials or tables than it had."""

    sweep: str
    plan: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepClosed:
    """A driver is done with a sweep."""

    sweep: str
    status: Literal["finished", "failed", "stopped"]
    startup: float | None
    """Seconds until the sweep trained; None when it had nothing to train."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOpened:
    """A trial is handed out to be trained, or goes on."""

    key: str
    """The trial's key."""
    sweep: str
    """Key of the sweep that wants it."""
    name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochDone:
    """One epoch of one trial."""

    key: str
    attempt: int
    """0 at first, raised each time the trial starts again from nothing."""
    epoch: int
    """1 for the first."""
    metrics: Mapping[str, float]
    """``train/...`` losses and ``val/...`` accuracies in percent, by name."""
    seconds: float | None
    """The trial's share of the epoch's wall-clock; None when the epoch is told again."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnded:
    """The end of one attempt at a trial."""

    key: str
    attempt: int
    status: Literal["finished", "failed", "pruned"]
    reason: str | None
    """Why it was pruned or failed, in words."""
    best_epoch: int = 0
    """The epoch with the best validation accuracy; 0 for none."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """``val/...`` and ``test/...`` at the best epoch, and the trial's own figures."""
    weights: str | None = None
    """Checkpoint folder of the best epoch, below the origin's storage."""
    predictions: str | None = None
    """Parquet file of the test split's answers, below the origin's storage."""
    fused: int = 0
    """The most members that it made its steps with, itself included; 0 when it made none."""
    seconds_per_epoch: float | None = None
    """Mean over the epochs that the reporting process trained."""
    environment: str = ""
    """What it ran on, in one line; empty when its process died."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStopped:
    """A driver leaves a trial that has no end; another run of the sweep goes on with it."""

    key: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsDropped:
    """A trial's checkpoint is not kept."""

    key: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalTold:
    """What is new of a search's proposal. It is for the study's database, not for MLflow."""

    study: str
    """The study's name."""
    number: int
    """The proposal's number in the study, 0 for the first."""
    state: Literal["running", "complete", "pruned", "fail"]
    values: Sequence[float] = ()
    """One for each objective; empty without an end."""
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    """Param -> what it was drawn from, as Optuna writes it."""
    steps: Mapping[str, float] = field(default_factory=dict)
    """Epoch -> validation accuracy."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    system_attrs: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler keeps with a proposal."""
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler keeps with the study."""
    at: float


Event: TypeAlias = (
    SweepOpened
    | PlanGrew
    | SweepClosed
    | TrialOpened
    | EpochDone
    | TrialEnded
    | TrialStopped
    | WeightsDropped
    | ProposalTold
)
Result: TypeAlias = EpochDone | TrialEnded
"""What a worker reports."""
_KINDS: Mapping[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def lane(event: Event) -> str:
    """Return the key of the trial or sweep whose run an event belongs to."""
    if isinstance(event, ProposalTold):
        return f"{event.study}/{event.number}"
    return event.sweep if isinstance(event, SweepOpened | PlanGrew | SweepClosed) else event.key


def to_json(event: Event) -> str:
    """Return an event as one line of JSON."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return json.dumps({"event": type(event).__name__, **values}, ensure_ascii=False)


def from_json(text: str) -> Event:
    """Return the event that ``to_json`` wrote.

    Raises:
        TrackingError: the text is damaged, or another version of TASS wrote it.
    """
    try:
        values = json.loads(text)
        return _KINDS[values.pop("event")](**values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrackingError(f"no event of this version ({error!r}): {text[:80]}") from None
