"""What a person may say of a search: how it proposes, prunes and confirms."""

from __future__ import annotations

from typing import Any

import click

from cli.command import option, refuse_typed
from cli.options import WHAT
from jobs.choices import PRUNERS, SAMPLERS, Search, by_accuracy
from search_spaces.document import Sweep
from search_spaces.objectives import parse_constraint, parse_objectives
from tass_core.errors import SweepError

SEARCH = "Search"
"""Group of options."""
SEARCH_SEEDS = (0, 1, 2, 3)
"""One to search with, and three for the verdict."""
BUDGET = 32
"""Trials of a search when nobody says how many."""

SEARCH_OPTIONS = (
    option(
        "--search",
        type=click.Choice(["grid", "optuna"]),
        group=WHAT,
        help="Enumerate the paper's grid, or search the space. Default: grid where there is one.",
    ),
    option(
        "--trials",
        type=int,
        metavar="N",
        group=SEARCH,
        help="Budget of a search. Default: the document's, or 32.",
    ),
    option(
        "--sampler",
        default="tpe",
        show_default=True,
        metavar="NAME",
        group=SEARCH,
        help=f"What proposes trials: one of {', '.join(SAMPLERS)}, all of them Optuna's.",
    ),
    option(
        "--pruner",
        metavar="NAME",
        group=SEARCH,
        help=f"What ends trials early inside a pack: one of {', '.join(PRUNERS)}. "
        "Default: halving, or none where val/all is not the only objective.",
    ),
    option(
        "--objective",
        "objectives",
        multiple=True,
        metavar="METRIC",
        group=SEARCH,
        help="What to search for, such as val/all, params_m or questions_per_s. Repeatable. "
        "Default: the document's, or val/all.",
    ),
    option(
        "--constraint",
        "constraints",
        multiple=True,
        metavar="BOUND",
        group=SEARCH,
        help="What trials have to keep to, such as 'params_m <= 3'. Repeatable. "
        "Default: the document's.",
    ),
    option(
        "--eta",
        type=int,
        default=3,
        show_default=True,
        metavar="N",
        group=SEARCH,
        help="Halving and hyperband keep 1/eta.",
    ),
    option(
        "--min-epochs",
        type=int,
        default=2,
        show_default=True,
        metavar="N",
        group=SEARCH,
        help="The first epoch after which trials are pruned.",
    ),
    option(
        "--warm-from",
        metavar="DATASET",
        group=SEARCH,
        help="Propose the best configs of another dataset first, by its name in MLflow.",
    ),
    option(
        "--confirm",
        type=int,
        default=5,
        show_default=True,
        metavar="N",
        group=SEARCH,
        help="Best variants to compare with the default config, on the seeds after the first.",
    ),
    option(
        "--study-storage",
        metavar="URL",
        group=SEARCH,
        help="Optuna storage. Default: optuna.db beside the tracking database.",
    ),
)


_NAMES = (
    *("search", "trials", "sampler", "pruner", "objectives", "constraints", "eta", "min_epochs"),
    *("warm_from", "confirm", "study_storage"),
)
"""Parameters of those options."""


def take_search(sweep: Sweep, given: dict[str, Any]) -> Search | None:
    """Take what belongs to a search out of the given options; return None for a grid.

    Raises:
        SweepError: the sweep cannot be searched, or not enumerated, or not in that way.
        TassError: an option of a search would be ignored.
    """
    take = {name: given.pop(name) for name in _NAMES}.pop
    if not _searches(sweep, take("search")):
        cure = "search its space with --search optuna, or leave it out"
        if not sweep.space:
            cure = "it has no space to search; leave it out"
        refuse_typed(f"sweep '{sweep.name}' trains every row of its grid; {cure}", group=SEARCH)
        return None
    trials, pruner = take("trials"), take("pruner")
    names, bounds = take("objectives"), take("constraints")
    objectives = parse_objectives(names) if names else sweep.objectives
    search = Search(
        trials=(sweep.budget or BUDGET) if trials is None else trials,
        sampler=take("sampler"),
        pruner=pruner or ("halving" if by_accuracy(objectives) else "none"),
        eta=take("eta"),
        min_epochs=take("min_epochs"),
        confirm=take("confirm"),
        storage=take("study_storage"),
        objectives=objectives,
        warm_from=take("warm_from"),
        constraints=tuple(map(parse_constraint, bounds)) or sweep.constraints,
    )
    if search.pruner == "none":
        refuse_typed("--pruner none prunes nothing; leave one of them out", "eta", "min_epochs")
    if search.pruner == "wilcoxon":
        refuse_typed("--pruner wilcoxon has no rungs; leave one of them out", "eta")
    return search


def _searches(sweep: Sweep, search: str | None) -> bool:
    """Whether to search; a sweep without a grid always does, one without a space never."""
    if search == "optuna" and not sweep.space:
        raise SweepError(f"--search optuna: sweep '{sweep.name}' has no space to search")
    if search == "grid" and not sweep.enumerates:
        raise SweepError(f"--search grid: sweep '{sweep.name}' has no grid; it always searches")
    return search == "optuna" or not sweep.enumerates
