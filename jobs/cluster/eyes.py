"""Ray's view of a cluster: its nodes, which are leaving, and a preflight on each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs.cluster.fleet import Machine
from jobs.cluster.preflight import PACKAGE, Checklist, examine, judge

PATIENCE = 120.0
"""Seconds that a node may take to answer."""


class RayEyes:
    """An ``jobs.cluster.fleet.Eyes`` on the Ray cluster that this process is connected to.

    Args:
        checklist: what every node must have; None trusts them: they are this machine.
    """

    def __init__(self, checklist: Checklist | None) -> None:
        self._checklist = checklist
        self._waiting: dict[Any, tuple[Machine, float]] = {}
        self._trusted: dict[str, str | None] = {}

    def machines(self) -> Sequence[Machine]:
        """Return the nodes that are alive."""
        leaving = ray._private.state.state.get_draining_nodes()
        return [
            Machine(
                node["NodeID"],
                f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
                node["Resources"],
                node["NodeID"] in leaving,
            )
            for node in ray.nodes()
            if node["Alive"]
        ]

    def examine(self, machine: Machine) -> None:
        """Ask a node what it has."""
        if self._checklist is None:
            self._trusted[machine.id] = None
            return
        task = ray.remote(num_cpus=0, max_retries=0)(examine).options(
            num_gpus=0.001 if self._checklist.gpus else 0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
        )
        asked = task.remote(self._checklist.to_dict())
        self._waiting[asked] = machine, time.monotonic() + PATIENCE

    def verdicts(self) -> Mapping[str, str | None]:
        """Return what was found since the last call: node -> why it cannot train, or None."""
        found, self._trusted = self._trusted, {}
        for answer in _answered(list(self._waiting)):
            machine, _ = self._waiting.pop(answer)
            found[machine.id] = _verdict(answer)
        for answer, (machine, until) in list(self._waiting.items()):
            if time.monotonic() > until:
                del self._waiting[answer]
                found[machine.id] = f"it did not answer within {PATIENCE:.0f} s"
        return found


def _answered(asked: list[Any]) -> list[Any]:
    return ray.wait(asked, num_returns=len(asked), timeout=0)[0] if asked else []


def _verdict(answer: Any) -> str | None:
    try:
        return judge(ray.get(answer))
    except RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else type(error).__name__
        if "No module named" in reason:
            return f"{PACKAGE} of the driver's version is not installed there ({reason})"
        return f"it cannot be asked ({reason})"
