"""Searches that start from past trials against searches that start from nothing.

Run ``python -m benchmarks.warm_start [--trials N] [--past N]``. The real study asks and is told;
training is played by a smooth landscape of accuracy with noise over seeds, on which the best of
the past is no optimum. Every figure is the accuracy without noise of the config that a search
ranks first.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmarks.tables import print_machine, print_table
from evidence.estimates import LEVEL, t_quantile
from jobs.choices import Search
from jobs.driver.proposals import Proposals
from jobs.driver.study import PackStudy, distribution
from jobs.driver.study_writer import Past
from search_spaces.document import Choice, Range, Scalar, Sweep
from search_spaces.plan import Plan
from tass_core.config import TrialConfig
from tass_core.trial import Trial, trial_key
from tracking.events import TrialEnded

SPACE = (
    Range("model.tau", 0.0, 0.05),
    Range("optimiser.learning_rate", 5e-5, 5e-3, log=True),
    Range("loss.lambda_s", 0.05, 5.0, log=True),
    Choice("model.merge", ("add", "mul", "max")),
)
NOISE = 0.7
"""Standard deviation of an accuracy over seeds, in points."""
SEEDS = 10
SHIFT = 0.15
"""How far the other dataset's optimum is, as a share of each range."""


def accuracy(config: TrialConfig, shift: float = 0.0) -> float:
    """Return a config's accuracy in percent, without noise."""
    tau = config.model.tau / 0.05 - 0.55 + shift
    rate = math.log(config.optimiser.learning_rate / 5e-5) / math.log(100) - 0.45 + shift
    weight = math.log(config.loss.lambda_s / 0.05) / math.log(100) - 0.6 - shift
    merge = {"add": 0.0, "mul": 0.8}.get(str(config.model.merge), 1.5)
    return 70.0 - 12 * tau**2 - 25 * rate**2 - 8 * weight**2 - merge


def draw(rng: np.random.Generator) -> dict[str, Scalar]:
    """Return a random point of the space, as a past sweep might have trained it."""
    return {
        "model.tau": float(rng.uniform(0.0, 0.05)),
        "optimiser.learning_rate": float(5e-5 * 100 ** rng.random()),
        "loss.lambda_s": float(0.05 * 100 ** rng.random()),
        "model.merge": str(rng.choice(["add", "mul", "max"])),
    }


def search(start: str, seed: int, trials: int, past: int) -> float:
    """Return what a search finds.

    Args:
        start: ``cold``, ``warm`` (past trials of this dataset) or ``from another`` dataset.
        seed: of the search and of everything that is drawn.
        trials: the search's budget.
        past: trials that MLflow holds.
    """
    rng = np.random.default_rng(seed)
    plan = Plan(Sweep("simulated", "", space=SPACE), {}, "f", TrialConfig(), (seed,))
    proposals = Proposals("simulated", ["maximize"], Past((), {}), lambda _: None)
    points = [draw(rng) for _ in range(past)]
    if start == "warm":
        for point in points:
            config = plan.base.vary(point).canonical()
            key = trial_key(Trial(config, seed), plan.fingerprint)
            drawn = {knob.field: distribution(knob, whole=False) for knob in SPACE}
            proposals.add(key, point, drawn, [accuracy(config) + rng.normal(0.0, NOISE)], {})
    elif start != "cold":
        scores = [accuracy(plan.base.vary(p), SHIFT) + rng.normal(0.0, NOISE) for p in points]
        for place in np.argsort(scores)[::-1][: max(1, trials // 4)]:
            proposals.suggest_first(points[place])
    options = Search(trials=trials, pruner="none")
    source = PackStudy(proposals, SPACE, plan, options, 4, {}, tuple, lambda: None)
    while (pack := source.next(1)) is not None:
        for key, trial in pack.members.items():
            metrics = {"val/all": accuracy(trial.config) + rng.normal(0.0, NOISE)}
            source.observe(
                [
                    TrialEnded(
                        key=key, attempt=0, status="finished", reason=None, metrics=metrics, at=0.0
                    )
                ]
            )
    [(_, found)] = source.best(1)
    return accuracy(found)


def main() -> None:
    """Print the means over ten seeds, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 24])
    parser.add_argument("--past", type=int, default=24)
    options = parser.parse_args()
    print_machine()
    print(f"{options.past} past trials, {SEEDS} seeds; the optimum is 70.\n")
    rows = []
    for trials in options.trials:
        found = {
            start: np.array([search(start, seed, trials, options.past) for seed in range(SEEDS)])
            for start in ("cold", "warm", "from another dataset")
        }
        for start, values in found.items():
            gain = values - found["cold"]
            half = t_quantile(SEEDS - 1, LEVEL) * gain.std(ddof=1) / math.sqrt(SEEDS)
            told = f"{gain.mean():+.2f} ± {half:.2f}" if gain.any() else ""
            wins = f"{int((gain > 0).sum())} of {SEEDS}" if gain.any() else ""
            rows.append((start, trials, f"{values.mean():.2f}", told, wins))
    print_table(("start", "trials", "accuracy", "against cold (95 %)", "better"), rows)


if __name__ == "__main__":
    main()
