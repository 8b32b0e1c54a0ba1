"""What a search found: its Optuna study rebuilt from MLflow, and figures of it.

The study's own storage may be out of reach; the trials' parameters and what was measured in
them are in MLflow, and that is all the figures need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from evidence.ranking import pareto
from evidence.results import origin
from evidence.selection import is_search, same_data
from reports.figures import Drawing
from search_spaces.document import Knob, Range, Scalar, Sweep
from search_spaces.expand import active
from search_spaces.objectives import Objective
from search_spaces.plan import planned_document
from tass_core.config import DEFAULT_SYSTEM, known_fields
from tass_core.errors import SweepError
from tracking.reader import Snapshot, SweepRun, TrialRun, chosen

MINIMUM = 4
"""Trials below which slices would mean nothing."""
MINIMUM_IMPORTANCE = 50
"""Trials below which importances would: five of them are in the best tenth."""
_ACROSS = 4
_INK = "#0b5394"
_BROKEN = "#cccccc"
"""Trials that break a constraint."""


def search_drawings(snapshot: Snapshot, sweep: SweepRun) -> Iterator[Drawing]:
    """Yield the drawings of the latest search of each space on a sweep's dataset."""
    latest: dict[str, SweepRun] = {}
    for found in snapshot.readable():
        if is_search(found) and same_data(found, sweep):
            latest.setdefault(found.name, found)
    for name, search in latest.items():
        document = planned_document(search.plan)
        if len(document.objectives) > 1:
            yield from _draw_front(name, search, snapshot)
        else:
            yield from _draw(name, search, document, snapshot)


def _draw(name: str, search: SweepRun, document: Sweep, snapshot: Snapshot) -> Iterator[Drawing]:
    """Draw a search with one objective, each trial at its best epoch."""
    first, trials = search.seeds[0], search.plan["trials"]
    runs = [
        chosen(snapshot.trials[key])
        for key, trial in trials.items()
        if trial["seed"] == first and key in snapshot.trials
    ]
    measured = {
        run.run_id: {metric: snapshot.at_best(run, metric) for metric in document.measured}
        for run in runs
        if run.state == "finished"
    }
    [objective] = document.objectives
    study = rebuild(document, runs, measured)
    grey = "; grey: breaks a constraint" if any(map(_broken, study.trials)) else ""
    for kind, figure in figures(study, objective).items():
        words, note = kind.replace("-", " "), "" if kind == "importances" else grey
        yield Drawing(
            f"search-{name}-{kind}",
            figure,
            f"Search '{name}' by {objective.metric}, {words}: {len(study.trials)} trials "
            f"({origin(search.provenance, search.dataset)}{note}).",
            f"Optuna's {words} of the search '{name}'; {_best(study, objective)}.",
        )


def _best(study: optuna.Study, objective: Objective) -> str:
    if all(_broken(trial) for trial in study.trials if trial.state is TrialState.COMPLETE):
        return "no trial keeps to its constraints"
    return f"best {objective.metric} {study.best_value:.4g} with {study.best_params}"


def _draw_front(name: str, search: SweepRun, snapshot: Snapshot) -> Iterator[Drawing]:
    """Draw the trials of a search with several objectives by the first two."""
    try:
        front = pareto(snapshot, sweep=search.run_id)
    except SweepError:  # nothing is finished yet
        return
    across, up = front.objectives[1], front.objectives[0]
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axis = figure.subplots()
    best = [point for point in front.points if point.best]
    for label, points, colour in (
        ("no other is better in every objective", best, _INK),
        ("others", [it for it in front.points if it.kept and not it.best], "#9fc5e8"),
        ("break a constraint", [it for it in front.points if not it.kept], _BROKEN),
    ):
        if points:
            places = [it.values[1] for it in points], [it.values[0] for it in points]
            axis.scatter(*places, s=22, color=colour, label=label)
    for point in best:
        place = point.values[1], point.values[0]
        axis.annotate(point.variant, place, xytext=(4, 4), textcoords="offset points", fontsize=7)
    for goal, number, set_scale in ((up, 0, axis.set_yscale), (across, 1, axis.set_xscale)):
        values = [point.values[number] for point in front.points]
        if not goal.metric.startswith("val/") and 0 < 10 * min(values) < max(values):
            set_scale("log")
    axis.margins(0.1)  # room for the names
    axis.set_axisbelow(True)
    axis.set_xlabel(str(across))
    axis.set_ylabel(str(up))
    axis.legend(fontsize=8)
    axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    yield Drawing(
        f"search-{name}-pareto",
        figure,
        f"Search '{name}' by {up.metric} and {across.metric}: {len(front.points)} trials "
        f"({origin(search.provenance, search.dataset)}).",
        f"Scatter plot; better than every other in some objective: "
        f"{', '.join(point.variant for point in best)}.",
    )


def rebuild(
    document: Sweep,
    runs: Sequence[TrialRun],
    measured: Mapping[str, Mapping[str, float | None]],
) -> optuna.Study:
    """Return an in-memory study of the runs of a search with one objective.

    Args:
        document: what was searched, for what, and within which constraints.
        runs: the search's trials; pruned ones count, and finished ones with all that was asked.
        measured: run id -> what ``document.measured`` names, at the best epoch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    [objective] = document.objectives
    study = optuna.create_study(direction=objective.direction)
    for run in runs:
        trial = _trial(document, run, measured.get(run.run_id, {}))
        if trial is not None:
            study.add_trial(trial)
    return study


def figures(study: optuna.Study, objective: Objective) -> Mapping[str, Figure]:
    """Return importances, slices and parallel coordinates, each from enough trials on.

    Only what the search varied is drawn, and one setting has no parallel coordinates. A setting
    that a trial does not have, such as τ without target-awareness, is left out of its slice and
    drawn below its axis.

    Args:
        study: of the search.
        objective: what its trials were valued by.
    """
    trials = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    names = _varied(trials)
    if len(trials) < MINIMUM or not names:
        return {}
    drawn = {"slices": _slices(trials, names, objective)}
    if len(names) > 1:
        drawn["parallel-coordinates"] = _parallel(trials, names, objective)
    if len(trials) >= MINIMUM_IMPORTANCE and len({trial.value for trial in trials}) > 1:
        drawn["importances"] = _importances(study, names)
    return drawn


def _varied(trials: Sequence[FrozenTrial]) -> list[str]:
    values: dict[str, set[Scalar]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def _importances(study: optuna.Study, names: Sequence[str]) -> Figure:
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    shown = sorted((found.get(name, 0.0), name) for name in names)
    figure = Figure(figsize=(6.0, 1.2 + 0.35 * len(shown)), layout="constrained")
    axis = figure.subplots()
    axis.barh([name for _, name in shown], [share for share, _ in shown], color=_INK)
    for place, (share, _) in enumerate(shown):
        axis.text(share, place, f" {share:.2f}", va="center", fontsize=8)
    axis.set_xlim(0, max(max(share for share, _ in shown) * 1.15, 0.01))
    axis.set_xlabel("Importance for reaching the best tenth (PED-ANOVA)")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _slices(trials: Sequence[FrozenTrial], names: Sequence[str], objective: Objective) -> Figure:
    across = min(len(names), _ACROSS)
    down = math.ceil(len(names) / across)
    figure = Figure(figsize=(2.6 * across + 0.6, 2.5 * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
    for name, axis in zip(names, axes, strict=False):
        having = [trial for trial in trials if name in trial.params]
        places, ticks = _places(having, name)
        colours = [_BROKEN if _broken(trial) else _INK for trial in having]
        axis.scatter(places, [_value(trial) for trial in having], s=16, c=colours, alpha=0.7)
        _ticks(axis, ticks)
        axis.set_xlabel(name, fontsize=9)
        axis.set_axisbelow(True)
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for row in range(down):
        axes[row * across].set_ylabel(str(objective), fontsize=8)
    return figure


def _parallel(trials: Sequence[FrozenTrial], names: Sequence[str], objective: Objective) -> Figure:
    figure = Figure(figsize=(1.5 * len(names) + 3.0, 4.4), layout="constrained")
    axis = figure.subplots()
    columns = [_unit(trials, name) for name in names]
    scores = np.array([_value(trial) for trial in trials])
    bright_is_good = "viridis" if objective.direction == "maximize" else "viridis_r"
    shades = ScalarMappable(Normalize(scores.min(), scores.max()), bright_is_good)
    kept = np.array([not _broken(trial) for trial in trials])
    for place in np.lexsort((objective.sign * scores, kept)):
        heights = [column[0][place] for column in columns]
        colour = shades.to_rgba(scores[place]) if kept[place] else _BROKEN
        axis.plot(range(len(names)), heights, color=colour, alpha=0.8)
    for place, (_, ticks) in enumerate(columns):
        axis.axvline(place, color="#888888", linewidth=0.8)
        for height, text in ticks:
            axis.text(
                place + 0.03,
                height,
                text,
                fontsize=7,
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
            )
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=20, ha="right")
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    figure.colorbar(shades, ax=axis, label=str(objective))
    return figure


def _places(
    trials: Sequence[FrozenTrial], name: str
) -> tuple[list[float], list[tuple[float, str]] | str]:
    """Return x positions, and named ticks for choices or the scale's name for numbers."""
    distribution = trials[0].distributions[name]
    values = [trial.params[name] for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        order = [choice for choice in distribution.choices if choice in values]
        ticks = [(float(place), str(choice)) for place, choice in enumerate(order)]
        return [float(order.index(value)) for value in values], ticks
    scale = "log" if getattr(distribution, "log", False) else "linear"
    return [float(value) for value in values], scale


def _ticks(axis: Axes, ticks: list[tuple[float, str]] | str) -> None:
    if isinstance(ticks, str):
        axis.set_xscale(ticks)
        axis.xaxis.set_minor_formatter(NullFormatter())
        return
    axis.set_xticks([place for place, _ in ticks], [text for _, text in ticks], fontsize=8)
    axis.set_xlim(-0.5, len(ticks) - 0.5)


def _unit(trials: Sequence[FrozenTrial], name: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Return each trial's height from 0 to 1 on a setting's axis (-0.1 without it), and ticks."""
    having = [trial for trial in trials if name in trial.params]
    places, ticks = _places(having, name)
    raw = np.log(places) if ticks == "log" else np.asarray(places)
    low, high = float(raw.min()), float(raw.max())
    known = iter((raw - low) / (high - low))
    heights = [float(next(known)) if name in trial.params else -0.1 for trial in trials]
    if isinstance(ticks, str):
        marks = [(0.0, f"{min(places):.3g}"), (1.0, f"{max(places):.3g}")]
    else:
        marks = [((place - low) / (high - low), text) for place, text in ticks]
    return heights, marks + ([(-0.1, "–")] if len(having) < len(trials) else [])


def _value(trial: FrozenTrial) -> float:
    return float(trial.value) if trial.value is not None else float("nan")


def _broken(trial: FrozenTrial) -> bool:
    return any(over > 0 for over in trial.constraints.values())


def _trial(
    document: Sweep, run: TrialRun, measured: Mapping[str, float | None]
) -> FrozenTrial | None:
    known = {metric: value for metric, value in measured.items() if value is not None}
    pruned = run.state == "pruned"
    if not pruned and document.measured - known.keys():
        return None
    params: dict[str, Scalar] = {}
    distributions: dict[str, BaseDistribution] = {}
    fields = known_fields(run.params.get("system", DEFAULT_SYSTEM))
    typed = run.config()
    for knob in document.space:
        if knob.field in typed and active(knob, params):
            params[knob.field] = typed[knob.field]
            distributions[knob.field] = _distribution(knob, fields[knob.field].kind)
    try:
        return create_trial(
            params=params,
            distributions=distributions,
            value=None if pruned else known[document.objectives[0].metric],
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            constraints=None
            if pruned
            else {str(it): it.violation(known) for it in document.constraints},
        )
    except ValueError:  # trained outside this space, by hand or by another sweep
        return None


def _distribution(knob: Knob, kind: type) -> BaseDistribution:
    if isinstance(knob, Range):
        if kind is int:
            return IntDistribution(int(knob.low), int(knob.high), log=knob.log)
        return FloatDistribution(knob.low, knob.high, log=knob.log)
    if kind is int:
        whole = [value for value in knob.values if isinstance(value, int)]
        return IntDistribution(min(whole), max(whole))
    return CategoricalDistribution(knob.values)
