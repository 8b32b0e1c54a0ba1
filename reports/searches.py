"""What a search found: its Optuna study rebuilt from MLflow, and Optuna's figures of it.

The study's own storage may be out of reach; the trials' parameters and validation
accuracies are in MLflow, and that is all the figures need.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from reports.runs import TrialRun
from search_spaces.spaces import SPACES, Knob, Range, Scalar, active
from tass_core.config import TrialConfig, parse_overrides

MINIMUM = 4
"""Trials below which importances and slices would mean nothing."""


def rebuild(space: str, runs: Sequence[TrialRun]) -> optuna.Study:
    """Return an in-memory study of a search's runs.

    Args:
        space: key of ``search_spaces.spaces.SPACES``.
        runs: the search's trials; finished and pruned ones with a validation accuracy count.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for run in runs:
        trial = _trial(SPACES[space], run)
        if trial is not None:
            study.add_trial(trial)
    return study


def figures(study: optuna.Study) -> Mapping[str, Figure]:
    """Return importances, slices and parallel coordinates; empty for too few trials."""
    if len([t for t in study.trials if t.state is TrialState.COMPLETE]) < MINIMUM:
        return {}
    mpl.use("Agg")
    from optuna.visualization import matplotlib as drawing

    found: dict[str, Figure] = {}
    draws: dict[str, Callable[..., Any]] = {
        "slices": drawing.plot_slice,
        "parallel-coordinates": drawing.plot_parallel_coordinate,
    }
    if len({trial.value for trial in study.trials}) > 1:
        draws["importances"] = _importances
    for name, draw in draws.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            drawn = draw(study, target_name="Validation accuracy (%)")
        figure = (drawn if isinstance(drawn, Axes) else drawn.flat[0]).figure
        assert isinstance(figure, Figure)
        found[name] = figure
    return found


def _importances(study: optuna.Study, target_name: str) -> Axes:
    from optuna.visualization import matplotlib as drawing

    axes = drawing.plot_param_importances(study)
    axes.set_title(f"Importances for {target_name.lower()}")
    return axes


def _trial(space: Sequence[Knob], run: TrialRun) -> FrozenTrial | None:
    value = run.metrics.get("val/all")
    if value is None or run.state not in ("finished", "pruned"):
        return None
    params: dict[str, Scalar] = {}
    distributions: dict[str, BaseDistribution] = {}
    known = TrialConfig().flat()
    logged = {key: text for key, text in run.params.items() if key in known}
    typed = parse_overrides(f"{key}={text}" for key, text in logged.items())
    for knob in space:
        if knob.field in typed and active(knob, params):
            params[knob.field] = typed[knob.field]
            distributions[knob.field] = _distribution(knob)
    pruned = run.state == "pruned"
    try:
        return create_trial(
            params=params,
            distributions=distributions,
            value=None if pruned else value,
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        )
    except ValueError:  # trained outside this space, by hand or by another sweep
        return None


def _distribution(knob: Knob) -> BaseDistribution:
    if isinstance(knob, Range):
        return FloatDistribution(knob.low, knob.high, log=knob.log)
    if knob.field == "data.t2":
        whole = [value for value in knob.values if isinstance(value, int)]
        return IntDistribution(min(whole), max(whole))
    return CategoricalDistribution(knob.values)
