"""The overseer: a thread beside a running sweep that watches its budget and hears its owner.

It stops the sweep when a limit is reached or somebody asked for it from any machine, tells the
tracking store that the driver lives, and sends notifications. It may fail and try again: nothing
of the sweep waits for it.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from jobs.driver.progress import Progress
from tass_core.errors import SweepError, TrackingError
from tracking.uris import shown

logger = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two looks at the limits."""
BEAT = 10.0
"""Seconds between two calls to the tracking store."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may use; None for no limit. A command that goes on has its own."""

    hours: float | None = None
    """Wall-clock."""
    gpu_hours: float | None = None
    """GPUs that packs hold, times the time for which they do."""
    failed: int | None = None
    """Trials that may fail."""

    def __post_init__(self) -> None:
        for option, value in (("--max-hours", self.hours), ("--max-gpu-hours", self.gpu_hours)):
            if value is not None and value <= 0:
                raise SweepError(f"{option} {value:g} is out of range; allowed: above 0")
        if self.failed is not None and self.failed < 0:
            raise SweepError(f"--max-failed {self.failed} is out of range; allowed: 0 or more")

    def reached(self, hours: float, gpu_hours: float, failed: int) -> str | None:
        """Return which limit is reached, or None."""
        if self.hours is not None and hours >= self.hours:
            return f"--max-hours {self.hours:g} is reached"
        if self.gpu_hours is not None and gpu_hours >= self.gpu_hours:
            return f"--max-gpu-hours {self.gpu_hours:g} is reached"
        if self.failed is not None and failed > self.failed:
            return f"{failed} trials failed, more than --max-failed {self.failed}"
        return None


class Store(Protocol):
    """What the overseer asks of the tracking store."""

    def beat(self) -> bool:
        """Say that the driver lives; return whether somebody asked for a stop."""


class Overseer:
    """Looks after one sweep; see ``overseeing``.

    Args:
        progress: of the sweep.
        limits: when to stop it.
        gpus: of one pack.
        store: where the heartbeat goes.
        stop: stops the sweep, with a reason.
        notify: told of the first failure, or None.
        began: when the command started, by ``time.monotonic``.
    """

    def __init__(
        self,
        progress: Progress,
        limits: Limits,
        gpus: float,
        store: Store,
        stop: Callable[[str], None],
        notify: Callable[[str, str], None] | None,
        began: float,
    ) -> None:
        self._progress, self._limits, self._gpus = progress, limits, gpus
        self._store, self._stop, self._notify, self._began = store, stop, notify, began
        self._gpu_seconds = 0.0
        self._failures = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overseer", daemon=True)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._closing.set()
        self._thread.join(timeout=30)

    def look(self, seconds: float) -> None:
        """Look once, ``seconds`` after the last time."""
        progress = self._progress
        self._gpu_seconds += progress.packs * self._gpus * seconds
        hours = (time.monotonic() - self._began) / 3600
        failed = len(progress.failed)
        if failed and not self._failures and self._notify is not None:
            key, reason = next(iter(progress.failed.items()))
            told = f"{progress.label(key)} failed: {reason}"
            self._notify(f"Sweep {progress.title}: a trial failed", told)
        self._failures = failed
        limit = self._limits.reached(hours, self._gpu_seconds / 3600, failed)
        if limit is not None:
            self._stop(limit)

    def _run(self) -> None:
        last, beat = time.monotonic(), 0.0
        while not self._closing.wait(LOOK):
            now = time.monotonic()
            self.look(now - last)
            last = now
            if now - beat >= BEAT:
                beat = now
                self._beat()

    def _beat(self) -> None:
        try:
            if self._store.beat():
                self._stop("somebody asked for it with `tass-cli stop`")
        except TrackingError as error:
            logger.info("no heartbeat: %s", error)


@contextmanager
def overseeing(overseer: Overseer) -> Iterator[None]:
    """Watch a sweep while the block runs."""
    overseer.start()
    try:
        yield
    finally:
        overseer.close()


def describe_driver() -> str:
    """Return who drives a sweep: user, host and process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"


def send(url: str, title: str, body: str) -> str | None:
    """Send a notification; return why it could not be sent, or None.

    A URL that begins with ``http`` gets a POST of JSON with ``title`` and ``body``; every other one
    is apprise's (``pip install "tass-lab[notify]"``), such as ``slack://...`` or ``mailto://...``.
    """
    if not url.startswith(("http://", "https://")):
        return _apprise(url, title, body)
    request = urllib.request.Request(
        url,
        json.dumps({"title": title, "body": body}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return None
    except (OSError, ValueError) as error:
        return f"--notify {shown(url)}: {error}"


def _apprise(url: str, title: str, body: str) -> str | None:
    try:
        from apprise import Apprise
    except ImportError:
        return (
            f'--notify {url.partition(":")[0]}://...: needs apprise; pip install "tass-lab[notify]"'
        )
    messenger = Apprise()
    if not messenger.add(url) or not messenger.notify(title=title, body=body):
        return f"--notify {url.partition(':')[0]}://...: apprise could not send it"
    return None
