"""Every name that TASS gives to MLflow, each written once, and what a run's state is.

An experiment holds one dataset. In it a sweep is a parent run and a trial a child run. A trial
is found by its key, whichever sweep trained it, so a child belongs to the sweep that was first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

State = Literal["finished", "failed", "pruned", "running"]

EXPERIMENT = "tass/"
"""Prefix of an experiment's name; the dataset's name follows."""

PARENT = "mlflow.parentRunId"
"""Run id of a trial's sweep; MLflow's own tag."""

NOTE = "mlflow.note.content"
"""A run's description, in Markdown."""
USER, SOURCE, SOURCE_TYPE = "mlflow.user", "mlflow.source.name", "mlflow.source.type"
"""Who ran a trial or sweep, and by which command: the columns of MLflow's pages."""
DATASET_CONTEXT = "mlflow.data.context"
VIEW = "mlflow.sharedViewState."
"""Beginning of an experiment's tags that are saved views of its runs; a view's id follows."""

TAG = 8000
"""Characters that MLflow keeps of a tag."""

KIND = "tass.kind"
"""``sweep`` or ``trial``."""

# Of sweeps and trials
DATASET = "tass.dataset"
FINGERPRINT = "tass.fingerprint"
PROVENANCE = "tass.provenance"
"""Where the dataset comes from, such as ``procedural``."""
TRAINING_VERSION = "tass.training_version"
ENVIRONMENT = "tass.environment"
"""What a trial ran on, in one line; a sweep has ``tass.environment.torch`` and so on."""

# Of sweeps
SWEEP = "tass.sweep"
"""The sweep's name; a trial has ``tass.sweep.NAME``, the rows that it fills, for each sweep."""
SWEEP_KEY = "tass.sweep_key"
STATUS = "tass.status"
"""``running``, ``finished``, ``failed`` or ``stopped``."""
COMMAND = "tass.command"
DRIVER = "tass.driver"
"""Who drives the sweep, or did last: user, host and process."""
HEARTBEAT = "tass.heartbeat"
"""When the driver said last that it lives, in seconds since 1970."""
STOP = "tass.stop"
"""When somebody asked the driver to stop, in seconds since 1970; empty for never."""
DECIDED = "tass.decided"
"""Claim -> decision as JSON, of the claims that somebody was told of."""
STARTUP = "tass.startup_seconds"
"""Seconds until the sweep trained."""

# Of trials
TRIAL_KEY = "tass.trial_key"
VARIANT = "tass.variant"
CONFIG_HASH = "tass.config_hash"
GROUP = "tass.group"
"""What to group by for means over seeds; two trials share it when they differ in the seed alone."""
SEED = "tass.seed"
STATE = "tass.state"
"""``running``, ``stopped``, ``finished``, ``failed`` or ``pruned``."""
REASON = "tass.reason"
"""Why a trial failed or was pruned."""
CHECKPOINT = "tass.checkpoint"
"""Where the best epoch's weights are; empty when they were not kept."""
PACE = "tass.seconds_per_epoch"
FUSED = "tass.fused"
"""The most members that the trial made its steps with."""

# Metrics
VALIDATION = "val/all"
"""Validation accuracy in percent, by epoch: what trials are selected by."""
BEST = "best_val"
"""The validation accuracy of the best epoch."""
BEST_EPOCH = "best_epoch"
PARAMETERS = "params_m"
"""Millions of parameters."""
SPEED = "questions_per_s"
TEST = "test/"
GROUNDING = "ground/"
FINAL = (TEST, GROUNDING, PARAMETERS, SPEED, BEST_EPOCH)
"""Beginnings of the metrics that a finished trial has once, at its best epoch."""

# Artifacts
PLAN = "plan.json"
SEARCH_TABLE = "search-"
"""Beginning of the key of a search's own table in its plan: the grid's of its name stays free."""
PREDICTIONS = "predictions/test.parquet"
DOCUMENT = "sweep.toml"
"""A sweep's document, as it was written."""
TABLES = "tables.md"

ENDS: Mapping[str, str] = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}
"""State of a trial that ended -> MLflow's status of its run."""
SWEEP_ENDS: Mapping[str, str] = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
"""Status of a sweep that ended -> MLflow's status of its run."""
STOPPED = "stopped"
"""Tag ``tass.state`` of a trial that its driver left without an end."""
_TAGS: Mapping[str, State] = {
    "failed": "failed",
    "pruned": "pruned",
    "running": "running",
    STOPPED: "running",
}
_STATES: Mapping[str, State] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "pruned"}


def state(status: str, tag: str | None) -> State:
    """Return a trial's state from its run's status and its tag ``tass.state``.

    The tag decides, because only TASS writes it: a run that somebody ends in MLflow's pages is
    still open for us. Of a finished trial the status is set last, so both have to say it.
    """
    return _TAGS.get(tag or "") or _STATES.get(status, "running")
