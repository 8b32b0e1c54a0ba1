"""What a person may decide about a sweep's checkpoints and about a search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.objectives import ACCURACY, Constraint, Direction, Objective
from tass_core.errors import SweepError, nearest
from tass_core.training.pruning import Halving, Pruner, Wilcoxon


@dataclass(frozen=True, slots=True)
class Keep:
    """Which checkpoints outlive the sweep: all best epochs, the best ``top`` trials', or none."""

    policy: str = "best"
    top: int = 0
    """How many stay unless all do."""

    @classmethod
    def parse(cls, text: str) -> Keep:
        """Build from ``best``, ``none`` or ``top:N``.

        Raises:
            SweepError: the text is none of these.
        """
        if text in ("best", "none"):
            return cls(text)
        match = re.fullmatch(r"top:([1-9]\d*)", text)
        if match is None:
            raise SweepError(f"--keep {text}: allowed are best, none, and top:N such as top:5")
        return cls("top", int(match.group(1)))


SAMPLERS = ("tpe", "gp", "cmaes", "qmc", "nsga2", "random")
"""Optuna's samplers, by the names that its own documentation gives them."""
PRUNERS = ("halving", "hyperband", "wilcoxon", "none")


@dataclass(frozen=True, slots=True)
class Search:
    """An Optuna search instead of a grid."""

    trials: int = 32
    """Trials to propose, duplicates and pruned ones included."""
    sampler: str = "tpe"
    pruner: str = "halving"
    eta: int = 3
    """Halving and Hyperband keep 1 / eta at each rung."""
    min_epochs: int = 2
    """The first epoch after which a trial may be pruned."""
    confirm: int = 5
    """Best variants to train with all the seeds."""
    storage: str | None = None
    """Optuna storage URL; None is a SQLite file beside the tracking database."""
    objectives: tuple[Objective, ...] = (Objective(ACCURACY),)
    constraints: tuple[Constraint, ...] = ()
    warm_from: str | None = None
    """Another dataset whose best configs are proposed first."""

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--confirm", self.confirm)):
            if value < 1:
                raise SweepError(f"{name} {value} is out of range; allowed: 1 or more")
        _one_of("--sampler", self.sampler, SAMPLERS)
        _one_of("--pruner", self.pruner, PRUNERS)
        Halving(self.eta, self.min_epochs)
        several = len(self.objectives) > 1
        if self.pruner != "none" and not by_accuracy(self.objectives):
            raise SweepError(
                f"--pruner {self.pruner} compares accuracies alone, and this search is for "
                f"{' and '.join(it.metric for it in self.objectives)}; say --pruner none"
            )
        if (several or self.constraints) and self.sampler == "cmaes":
            raise SweepError(
                "--sampler cmaes knows one objective and no constraint; take tpe, gp or nsga2"
            )

    @property
    def directions(self) -> list[Direction]:
        """Which way is better, for each objective."""
        return [objective.direction for objective in self.objectives]

    def lacking(self, metrics: Mapping[str, float]) -> list[str]:
        """Return which metrics of the objectives and constraints a finished trial does not have.

        It was trained before they were measured, or its network has nothing to measure.
        """
        asked = [it.metric for it in self.objectives] + [it.metric for it in self.constraints]
        return [metric for metric in dict.fromkeys(asked) if metric not in metrics]

    def values(self, metrics: Mapping[str, float]) -> list[float]:
        """Return a finished trial's value of each objective."""
        return [metrics[objective.metric] for objective in self.objectives]

    def violations(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return by how much a finished trial misses each constraint; 0 or less is none."""
        return {str(constraint): constraint.violation(metrics) for constraint in self.constraints}

    def pruner_of(self, pack: int, epochs: int) -> Pruner | None:
        """Return what prunes inside a pack.

        Hyperband's brackets take turns: each has its first rung eta times later than the one
        before, so that what is slow to show its worth is not always pruned early.

        Args:
            pack: how many packs the search made before.
            epochs: of a whole trial.
        """
        if self.pruner == "none":
            return None
        if self.pruner == "wilcoxon":
            return Wilcoxon(min_epochs=self.min_epochs)
        rungs = [self.min_epochs]
        while self.pruner == "hyperband" and rungs[-1] * self.eta <= epochs:
            rungs.append(rungs[-1] * self.eta)
        return Halving(self.eta, rungs[pack % len(rungs)])


def by_accuracy(objectives: Sequence[Objective]) -> bool:
    """Whether a search is for validation accuracy and nothing else, which pruners compare."""
    return tuple(objectives) == (Objective(ACCURACY),)


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise SweepError(
            f"{option} {value} is none of {', '.join(allowed)}{nearest(value, allowed)}"
        )
