"""Variants from best to worst, by validation."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evidence.selection import judged_seeds
from tass_core import TRAINING_VERSION
from tass_core.errors import SweepError, TrackingError, nearest
from tracking import schema
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
    test: float
    """Mean test accuracy in percent, for information: it does not rank."""
    trials: Group

    @property
    def best_seed(self) -> int:
        """The seed with the best value; ties go to the smaller trial key."""
        return min(self.values, key=lambda seed: (-self.values[seed], self.trials[seed].key))


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
    metric: str = schema.VALIDATION,
    variant: str | None = None,
    seed: int | None = None,
) -> Ranking:
    """Rank the variants of a tracking store by their mean over seeds.

    Without ``sweep`` all trials on the dataset of the latest sweep take part, with its seeds.

    Args:
        snapshot: what the store holds.
        sweep: run id, or name, of the sweep whose trials are meant.
        metric: a validation metric at each trial's best epoch; nothing selects on test.
        variant: only this variant, by name or config hash.
        seed: only this seed.

    Raises:
        TrackingError: the store has no such sweep.
        SweepError: the metric or variant cannot be ranked.
    """
    if not metric.startswith("val/"):
        raise SweepError(
            f"--metric {metric}: variants are selected on validation; allowed are metrics that "
            "begin with val/, such as val/all or val/av_avg"
        )
    source = _source(snapshot, sweep)
    trials = [
        trial
        for trial in map(chosen, snapshot.trials.values())
        if trial.state == "finished"
        and (trial.dataset, trial.fingerprint) == (source.dataset, source.fingerprint)
        and trial.training_version == str(TRAINING_VERSION)
        and (sweep is None or trial.key in source.keys)
    ]
    seeds = judged_seeds(source) if seed is None else (seed,)
    groups = _choose(_by_variant(trials), variant)
    complete = {h: group for h, group in groups.items() if set(seeds) <= set(group)}
    rows = [_ranked(snapshot, group, seeds, metric) for group in complete.values()]
    rows.sort(key=lambda row: (-row.value, row.trials[row.best_seed].key))
    if not rows:
        raise SweepError(
            f"no variant is finished with the seeds {list(seeds)} in {snapshot.address}"
        )
    return Ranking(source, metric, tuple(seeds), tuple(rows), len(groups) - len(complete))


def _source(snapshot: Snapshot, sweep: str | None) -> SweepRun:
    if sweep is not None:
        return snapshot.sweep(sweep)
    sweeps = snapshot.readable()
    if not sweeps:
        raise TrackingError(f"{snapshot.address} holds no sweep; see `tass-cli status`")
    return sweeps[0]


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


def _ranked(snapshot: Snapshot, group: Group, seeds: Sequence[int], metric: str) -> Ranked:
    trials = {seed: group[seed] for seed in seeds}
    values = {seed: _value(snapshot, trial, metric) for seed, trial in trials.items()}
    first = next(iter(trials.values()))
    return Ranked(
        variant=first.variant,
        config_hash=first.config_hash,
        value=statistics.mean(values.values()),
        deviation=statistics.stdev(values.values()) if len(values) > 1 else None,
        values=values,
        test=statistics.mean(trial.metrics["test/all"] for trial in trials.values()),
        trials=trials,
    )


def _value(snapshot: Snapshot, trial: TrialRun, metric: str) -> float:
    if metric == schema.VALIDATION and schema.BEST in trial.metrics:
        return trial.metrics[schema.BEST]
    points = dict(snapshot.history(trial.run_id, metric))
    best = int(trial.metrics[schema.BEST_EPOCH])
    if best not in points:
        raise SweepError(
            f"--metric {metric}: trial {trial.key} has no value of it at its best epoch {best}"
        )
    return points[best]
