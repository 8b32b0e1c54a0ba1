"""How the numbers of a page were made, in the words of a paper's section on methods."""

from __future__ import annotations

from collections.abc import Sequence

from evidence.estimates import LEVEL
from evidence.results import ResultTable
from evidence.selection import designed
from reports.render import words
from tracking.reader import SweepRun


def methods(sweep: SweepRun, tables: Sequence[ResultTable]) -> str:
    """Return how the numbers of a sweep were made, as a paragraph for a paper."""
    table = next((it for it in tables if it.sweep_run == sweep.run_id), tables[0])
    splits = sweep.plan.get("dataset", {}).get("splits", {})
    base, design = table.base, designed(sweep.plan)
    asked = f"{splits.get('test', sum(table.questions.values()))} test questions"
    asked += "" if table.videos is None else f" about {table.videos} videos"
    seeds = (
        f"with the {len(table.seeds)} seeds {', '.join(map(str, table.seeds))}"
        if design is None
        else f"with {design.first} to {design.last} seeds"
    )
    said = [
        f"On {table.dataset} ({table.provenance}, fingerprint {table.fingerprint}; "
        f"{splits.get('train', '?')} training, {splits.get('val', '?')} validation and {asked}), "
        f"every variant was trained {seeds} for {base['optimiser.epochs']} epochs (Adam, learning "
        f"rate {base['optimiser.learning_rate']:g}, batch size {base['optimiser.batch_size']}, "
        f"width {base.get('model.width', '?')}).",
        "The epoch with the best validation accuracy answered the test questions once.",
        "Variants of one seed share initial weights, the order of the data and dropout, so that "
        "differences are paired over seeds and questions.",
        f"Intervals ({1 - LEVEL:.0%}) hold for new seeds and new questions; variances over seeds "
        "are moderated over the variants (Smyth, 2004), and questions about one video count as a "
        "cluster.",
    ]
    if design is None:
        said.append(
            "Differences on all questions are corrected for the variants of a table (Holm), those "
            "on question types where a variant passes (Benjamini and Bogomolov, 2014)."
        )
    else:
        said.append(
            "Seeds were added where they were most likely to decide a variant; a difference has to "
            f"cross a group-sequential boundary whose error is {LEVEL:.0%} over all looks, with "
            "Holm's procedure over the variants."
        )
    said.append(
        f"Differences below {words.points(table.margin)} are not named. TASS Lab, training version "
        f"{table.training_version}."
    )
    return " ".join(said)
