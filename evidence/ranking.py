"""Variants from best to worst, by validation."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evidence.selection import is_search, judged_seeds
from search_spaces.objectives import ACCURACY, Constraint, Objective, feasible, front
from search_spaces.plan import planned_document
from tass_core import TRAINING_VERSION
from tass_core.errors import SweepError, TrackingError, nearest
from tracking.reader import Snapshot, SweepRun, TrialRun, chosen

Group = Mapping[int, TrialRun]
"""One variant's trials by seed."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A variant and its trials, by seed."""

    variant: str
    config_hash: str
    value: float
    """Mean of the metric over the seeds."""
    deviation: float | None
    values: Mapping[int, float]
    best_seed: int
    """The seed with the best value; ties go to the smaller trial key."""
    test: float
    """Mean test accuracy in percent, for information: it does not rank."""
    trials: Group


@dataclass(frozen=True, slots=True)
class Ranking:
    """Variants from best to worst."""

    sweep: SweepRun
    metric: str
    seeds: tuple[int, ...]
    rows: tuple[Ranked, ...]
    incomplete: int
    """Variants left out because a seed is missing."""


def rank(
    snapshot: Snapshot,
    *,
    sweep: str | None = None,
    metric: str | None = None,
    variant: str | None = None,
    seed: int | None = None,
) -> Ranking:
    """Rank the variants of a tracking store by their mean over seeds.

    Without ``sweep`` all trials on the dataset of the latest sweep take part, with its seeds.

    Args:
        snapshot: what the store holds.
        sweep: run id, or name, of the sweep whose trials are meant.
        metric: a validation metric at each trial's best epoch; nothing selects on test. When None
            it is the first that the sweep is a search for.
        variant: only this variant, by name or config hash.
        seed: only this seed.

    Raises:
        TrackingError: the store has no such sweep.
        SweepError: the metric or variant cannot be ranked.
    """
    if metric is not None and not metric.startswith("val/"):
        raise SweepError(
            f"--metric {metric}: variants are selected on validation; allowed are metrics that "
            "begin with val/, such as val/all or val/av_avg"
        )
    source = _source(snapshot, sweep)
    goal = _searched(source, own=sweep is not None) if metric is None else Objective(metric)
    trials = _usable(snapshot, source, own=sweep is not None)
    seeds = judged_seeds(source) if seed is None else (seed,)
    groups = _choose(_by_variant(trials), variant)
    complete = {h: group for h, group in groups.items() if set(seeds) <= set(group)}
    rows = [_ranked(snapshot, group, seeds, goal) for group in complete.values()]
    rows.sort(key=lambda row: (-goal.sign * row.value, row.trials[row.best_seed].key))
    if not rows:
        raise SweepError(
            f"no variant is finished with the seeds {list(seeds)} in {snapshot.address}"
        )
    return Ranking(source, goal.metric, tuple(seeds), tuple(rows), len(groups) - len(complete))


@dataclass(frozen=True, slots=True)
class Point:
    """A variant, and its means over the seeds."""

    variant: str
    config_hash: str
    values: tuple[float, ...]
    """One for each objective."""
    kept: bool
    """Whether it keeps to the constraints."""
    best: bool
    """Whether it keeps to them, and no other such variant is better in every objective."""


@dataclass(frozen=True, slots=True)
class Front:
    """The variants of a sweep by several objectives, the best first."""

    sweep: SweepRun
    seeds: tuple[int, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    points: tuple[Point, ...]
    incomplete: int
    """Variants left out because one of the metrics was not measured."""


def pareto(
    snapshot: Snapshot, *, sweep: str | None = None, objectives: Sequence[Objective] = ()
) -> Front:
    """Return the variants of a sweep that no other is better than in every objective.

    Of a search all trials take part, with the seed that it searched with.

    Args:
        snapshot: what the store holds.
        sweep: run id, or name, of the sweep; the latest when None.
        objectives: those of the sweep's document when empty.

    Raises:
        TrackingError: the store has no such sweep.
        SweepError: it has one objective alone, or no finished trial.
    """
    source = _source(snapshot, sweep)
    document = planned_document(source.plan)
    goals, bounds = tuple(objectives) or document.objectives, document.constraints
    if len(goals) < 2:
        raise SweepError(
            f"--pareto: sweep '{source.name}' has one objective; name others with --objective, "
            "such as --objective val/all --objective params_m"
        )
    seeds = source.seeds[:1] if is_search(source) else source.seeds
    groups = {
        address: [group[seed] for seed in seeds]
        for address, group in _by_variant(_usable(snapshot, source, own=True)).items()
        if set(seeds) <= set(group)
    }
    if not groups:
        raise SweepError(f"no variant of sweep '{source.name}' is finished in {snapshot.address}")
    names = {it.metric for it in goals} | {it.metric for it in bounds}
    found = {
        address: {name: _mean(snapshot, trials, name) for name in names}
        for address, trials in groups.items()
    }
    means = {
        address: {name: value for name, value in values.items() if value is not None}
        for address, values in found.items()
        if None not in values.values()
    }
    if not means:
        raise SweepError(
            f"--pareto: no finished variant of sweep '{source.name}' has all of "
            f"{', '.join(sorted(names))}; take other objectives"
        )
    kept = [address for address, found in means.items() if feasible(bounds, found)]
    values = {address: tuple(found[g.metric] for g in goals) for address, found in means.items()}
    best = {kept[place] for place in front([values[address] for address in kept], goals)}
    points = [
        Point(groups[address][0].variant, address, place, address in kept, address in best)
        for address, place in values.items()
    ]
    sign = goals[0].sign
    points.sort(key=lambda it: (not it.best, not it.kept, -sign * it.values[0], it.config_hash))
    return Front(source, seeds, goals, bounds, tuple(points), len(groups) - len(points))


def _usable(snapshot: Snapshot, source: SweepRun, *, own: bool) -> list[TrialRun]:
    """Return the finished trials on a sweep's data, or its own alone."""
    return [
        trial
        for trial in map(chosen, snapshot.trials.values())
        if trial.state == "finished"
        and (trial.dataset, trial.fingerprint) == (source.dataset, source.fingerprint)
        and trial.training_version == str(TRAINING_VERSION)
        and (not own or trial.key in source.keys)
    ]


def _mean(snapshot: Snapshot, trials: Sequence[TrialRun], metric: str) -> float | None:
    """Return a metric's mean over the seeds, or None where a trial lacks it."""
    values = [snapshot.at_best(trial, metric) for trial in trials]
    known = [value for value in values if value is not None]
    return statistics.mean(known) if len(known) == len(values) else None


def _source(snapshot: Snapshot, sweep: str | None) -> SweepRun:
    if sweep is not None:
        return snapshot.sweep(sweep)
    sweeps = snapshot.readable()
    if not sweeps:
        raise TrackingError(f"{snapshot.address} holds no sweep; see `tass-cli status`")
    return sweeps[0]


def _searched(source: SweepRun, *, own: bool) -> Objective:
    """Return the first validation metric that a sweep is a search for."""
    goals = planned_document(source.plan).objectives if own else ()
    return next((it for it in goals if it.metric.startswith("val/")), Objective(ACCURACY))


def _by_variant(trials: Iterable[TrialRun]) -> dict[str, dict[int, TrialRun]]:
    groups: dict[str, dict[int, TrialRun]] = defaultdict(dict)
    for trial in trials:
        groups[trial.config_hash][trial.seed] = trial
    return groups


def _choose(groups: Mapping[str, Group], variant: str | None) -> Mapping[str, Group]:
    if variant is None:
        return groups
    names = {h: next(iter(group.values())).variant for h, group in groups.items()}
    found = {h: group for h, group in groups.items() if variant in (h, names[h])}
    if not found:
        raise SweepError(
            f"--variant {variant}: no finished trial has it{nearest(variant, names.values())}"
        )
    return found


def _ranked(snapshot: Snapshot, group: Group, seeds: Sequence[int], goal: Objective) -> Ranked:
    trials = {seed: group[seed] for seed in seeds}
    values = {seed: _value(snapshot, trial, goal.metric) for seed, trial in trials.items()}
    first = next(iter(trials.values()))
    return Ranked(
        variant=first.variant,
        config_hash=first.config_hash,
        value=statistics.mean(values.values()),
        deviation=statistics.stdev(values.values()) if len(values) > 1 else None,
        values=values,
        best_seed=min(values, key=lambda seed: (-goal.sign * values[seed], trials[seed].key)),
        test=statistics.mean(trial.metrics["test/all"] for trial in trials.values()),
        trials=trials,
    )


def _value(snapshot: Snapshot, trial: TrialRun, metric: str) -> float:
    found = snapshot.at_best(trial, metric)
    if found is None:
        raise SweepError(f"--metric {metric}: trial {trial.key} has no value at its best epoch")
    return found
