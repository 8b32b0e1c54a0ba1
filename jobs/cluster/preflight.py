"""What a node must have before it gets work: looked at on the node, judged on the driver.

The node's side takes and returns plain data, so that a node of another version can answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jobs.storage import open_storage
from tass_core import TRAINING_VERSION
from tass_core.data.folder.dataset import open_dataset
from tass_core.errors import TassError

PACKAGE = "tass-lab"
PROBE = "probe"
"""A file of the storage: whether a node sees what the driver has written there."""


@dataclass(frozen=True, slots=True)
class Checklist:
    """What the driver wants of a node."""

    dataset: str
    """Path of the dataset folder."""
    fingerprint: str
    storage: str
    probe: str
    """What the driver has written into ``PROBE``; empty for nothing."""
    gpus: float
    """GPUs of a worker."""
    training_version: int = TRAINING_VERSION
    """The driver's."""

    def to_dict(self) -> dict[str, Any]:
        """Return the list as plain data."""
        return asdict(self)


def examine(checklist: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this node has, and what it lacks of a checklist, as plain data."""
    facts: dict[str, Any] = {"version": version(PACKAGE), "training_version": TRAINING_VERSION}
    if checklist["training_version"] == TRAINING_VERSION:
        facts["lacks"] = lacks(Checklist(**checklist))
    return facts


def judge(facts: Mapping[str, Any]) -> str | None:
    """Return why a node cannot train, given what ``examine`` said there, or None when it can."""
    theirs, ours = facts["training_version"], TRAINING_VERSION
    if theirs != ours or facts["version"] != version(PACKAGE):
        return (
            f"it has {PACKAGE} {facts['version']} with TRAINING_VERSION {theirs}, the driver "
            f"{version(PACKAGE)} with {ours}; install the driver's version there"
        )
    reason: str | None = facts["lacks"]
    return reason


def lacks(checklist: Checklist) -> str | None:
    """Return what this node lacks of a checklist, or None when it has everything."""
    # Here, not above: it loads torch, which nodes need and plans do not.
    from tass_core.devices import device_for

    try:
        found = open_dataset(Path(checklist.dataset)).fingerprint
        if found != checklist.fingerprint:
            return (
                f"{checklist.dataset} holds dataset {found} there, the sweep was planned for "
                f"{checklist.fingerprint}; make the same folder visible on every node"
            )
        if checklist.probe and _probe(checklist.storage) != checklist.probe:
            return (
                f"--storage {checklist.storage} is not the driver's there; give a path that every "
                "node mounts, or s3://bucket/folder"
            )
        device_for(checklist.gpus)
    except (TassError, OSError) as error:
        return str(error)
    return None


def _probe(place: str) -> str | None:
    try:
        return open_storage(place).read(PROBE)
    except FileNotFoundError:
        return None
