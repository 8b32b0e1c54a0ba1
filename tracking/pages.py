"""What a person reads and clicks in MLflow's pages: addresses, descriptions, groups, saved views.

Nothing here is needed to read a store. Views are in the format in which the button *Views* of a
run list (MLflow 3.17) saves them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tass_core.config import digest
from tracking import schema

TRAINING = "workflowType=machine_learning"
"""MLflow opens an address without it among its pages for language models."""
COLUMNS = 8
"""Most config fields that a view shows."""
_PLAIN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>"})
FILLS = "It fills these rows; a sweep's name leads to all its trials."
"""Beginning of a trial's description, by which ours is told from a person's."""


def run_page(experiment: str, run: str) -> str:
    """Return the address of a run below the server's."""
    return f"#/experiments/{experiment}/runs/{run}?{TRAINING}"


def sweep_page(experiment: str, sweep: str) -> str:
    """Return the address of the view of a sweep's trials below the server's."""
    return f"#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={quote(_id(sweep))}"


def view_tag(sweep: str) -> str:
    """Return the tag of an experiment that holds the view of a sweep's trials."""
    return schema.VIEW + _id(sweep)


def view(plan: Mapping[str, Any], at: int) -> str:
    """Return the view of a sweep's trials, whichever sweep trained them, as means over seeds.

    Args:
        plan: as ``plan.json`` has it.
        at: now, in milliseconds since 1970.
    """
    metrics = (schema.BEST, f"{schema.TEST}all", schema.PARAMETERS)
    fields = _varied(plan)[:COLUMNS]
    state = {
        "searchFilter": f"tags.`{schema.SWEEP}.{plan['sweep']}` LIKE '%'",
        # Not by test accuracy: nobody is to choose by it.
        "orderByKey": f"metrics.`{schema.BEST}`",
        "orderByAsc": False,
        "selectedColumns": [
            *(f"metrics.`{name}`" for name in metrics),
            *(f"params.`{name}`" for name in fields),
        ],
        "runsHiddenMode": "SHOWALL",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": schema.GROUP}],
        },
    }
    name = f"{plan['sweep']}: means over seeds"
    times = {"createdAt": at, "updatedAt": at}
    return json.dumps({"name": name, **times, "state": json.dumps(state)}, ensure_ascii=False)


def group(tags: Mapping[str, str]) -> str:
    """Return a trial's group: its variant's name, and four characters of what it computes.

    Two sweeps of one name may have other epochs or another dataset, and two searches both have a
    ``trial 7``; a mean over them would be of nothing.
    """
    names = (schema.CONFIG_HASH, schema.FINGERPRINT, schema.TRAINING_VERSION)
    computes = digest([tags.get(name, "") for name in names])[:4]
    return f"{tags.get(schema.VARIANT, '')} #{computes}"


def experiment_note(dataset: str) -> str:
    """Return an experiment's description."""
    return (
        f"TASS Lab on the dataset {dataset}: choose Model training (top left), then a sweep "
        "under Views (top right) for means over seeds.\n\n"
        "A run is a sweep, and unfolds to the trials that it trained first. A sweep's own page "
        "says what it found."
    )


def sweep_lead(experiment: str, sweep: str, purpose: str) -> str:
    """Return the first lines of a sweep's description, in Markdown.

    Args:
        experiment: the experiment's id.
        sweep: the sweep's name.
        purpose: what it is for, escaped.
    """
    table = sweep_page(experiment, sweep)
    return (
        f"{purpose} **[Its trials, as means over seeds]({table})**, or "
        f"[as charts]({table}&compareRunsMode=CHART), with those that other sweeps trained.\n"
    )


def fills(rows: Sequence[str]) -> str:
    """Return the text of a trial's tag for a sweep, given the rows that it fills there."""
    return "; ".join(rows)[: schema.TAG] or "searched"


def trial_tags(experiment: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a trial that follow from its others: its group and its description.

    Args:
        experiment: the experiment's id.
        tags: the trial's; a description that a person wrote stays.
    """
    found = {schema.GROUP: group(tags)}
    if tags.get(schema.NOTE, FILLS).startswith(FILLS):
        sweep = f"{schema.SWEEP}."
        lines = [
            f"- [{name.removeprefix(sweep)}]({sweep_page(experiment, name.removeprefix(sweep))}): "
            f"{text.translate(_PLAIN)}"
            for name, text in sorted(tags.items())
            if name.startswith(sweep)
        ]
        found[schema.NOTE] = "\n".join([FILLS, "", *lines])[: schema.TAG]
    return found


def _id(sweep: str) -> str:
    return f"tass-{sweep}"


def _varied(plan: Mapping[str, Any]) -> list[str]:
    """Return the config fields in which a plan's variants differ."""
    configs = [variant["config"] for variant in plan.get("variants", {}).values()]
    names = dict.fromkeys(name for config in configs for name in config)
    return [
        name
        for name in names
        if any(config.get(name) != configs[0].get(name) for config in configs)
    ]
