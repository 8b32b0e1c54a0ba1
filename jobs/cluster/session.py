"""Ray, started quietly and left clean; and the check that a sweep's requests can be met."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from jobs.cluster.fleet import Fleet
from jobs.cluster.preflight import Checklist
from jobs.cluster.resources import (
    Node,
    Resources,
    Slots,
    lacks_all,
    plan_slots,
    settle_gpus,
    this_machine,
)
from tass_core.errors import SweepError

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "86400",
}


@contextlib.contextmanager
def quiet_log(path: Path) -> Iterator[None]:
    """Send what Ray and Tune print in this process to a log file."""
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("a", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


@contextlib.contextmanager
def ray_session(resources: Resources, checklist: Checklist) -> Iterator[Fleet]:
    """Connect to Ray, or start it here, and yield its nodes, of which nobody has asked yet.

    Args:
        resources: what a person asked for.
        checklist: what a node of a cluster must have; this machine has it.

    Raises:
        SweepError: the cluster cannot be reached.
    """
    with connected(resources.address, dashboard=resources.workers_per_pack > 1):
        from jobs.cluster.eyes import RayEyes

        if resources.address is None:
            resources = settle_gpus(resources, [this_machine()])
        fleet = Fleet(resources, RayEyes(checklist if resources.address else None))
        try:
            yield fleet
        finally:
            fleet.close()


def find_slots(resources: Resources) -> Slots:
    """Return what could run at once, on this machine or on the cluster that is asked for.

    On a cluster that has no nodes yet it is one pack.

    Raises:
        SweepError: the cluster cannot be reached, or not even one pack fits.
    """
    if resources.address is None:
        return plan_slots(resources, [this_machine()])
    with connected(resources.address):
        nodes = _nodes()
        if lacks_all(resources, nodes):
            cpus, gpus = resources.cpus_per_worker or 1.0, resources.gpus_per_worker or 0.0
            return Slots(cpus, gpus, resources.workers_per_pack, packs=1)
        return plan_slots(resources, nodes)


@contextlib.contextmanager
def connected(address: str | None, *, dashboard: bool = False) -> Iterator[None]:
    """Connect to a Ray cluster, or start Ray here when there is no address, and leave it again.

    Raises:
        SweepError: the cluster cannot be reached, or only through Ray's client.
    """
    _refuse_client(address)
    if address is None:
        _keep_to_this_machine()
    import ray

    # What Ray writes is nobody else's to read.
    umask = os.umask(0o077)
    try:
        with _own_sigterm():
            if address is None:
                ray.init(
                    address="local",
                    include_dashboard=dashboard,
                    object_store_memory=150 * 2**20,
                    log_to_driver=False,
                    logging_level="ERROR",
                    configure_logging=True,
                )
            else:
                # Ray tries 20 times, each for up to 40 s: a cluster that is gone is soon told.
                os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "2")
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SweepError(f"--address {address}: {error}") from None
    finally:
        os.umask(umask)
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        with _own_sigterm():
            ray.shutdown()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Let SIGTERM mean what it meant before: Ray would have it end this process at once.

    Its start sets a handler of its own, and its end the system's, which Python is not told.
    """
    before, asked = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit as error:
        asked = error.code == signal.SIGTERM
        if not asked:
            raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    if asked:
        signal.raise_signal(signal.SIGTERM)


def _refuse_client(address: str | None) -> None:
    """Refuse Ray's client: Tune would run far away, and what this process knows stays here."""
    found = (os.environ.get("RAY_ADDRESS") or address) if address == "auto" else address
    if found is not None and "://" in found:
        raise SweepError(
            f"--address {found}: allowed are auto and HOST:PORT; a sweep is driven from a node of "
            "the cluster, not through Ray's client: type the command there"
        )


def _keep_to_this_machine() -> None:
    """Let a Ray of our own listen on loopback only, and know its users by a token.

    Ray would write the token into the home, where it turns a later ``ray start --head`` into a
    cluster that asks its nodes for it. The variable of other systems' clusters is read when Ray is
    imported: without a cluster, Ray's address is loopback. A process that has used Ray before keeps
    to what it began with, since Ray reads both once.
    """
    if "ray" in sys.modules:
        return
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _nodes() -> list[Node]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
