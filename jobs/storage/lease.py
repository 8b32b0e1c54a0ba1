"""The lease: which driver has a storage, and by what number its work is known.

``lease/<number>.json`` says who. A new driver creates the next number, which one alone can do; it
writes its file again with every heartbeat, so that the file's age tells whether it lives. The
number stands before the names of all that its processes write (see
``jobs.storage.generations``), so that what a process of an older driver writes late is never taken
for the newest.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jobs.storage import Storage
from tass_core.errors import SweepError, TassError

logger = logging.getLogger(__name__)

BEAT = 10.0
"""Seconds between two heartbeats."""
EXPIRES = 60.0
"""Seconds without a heartbeat after which a lease is free."""
OUTAGE = 1800.0
"""Seconds without an answer of the storage after which a driver gives up: sooner than its packs,
so that none of them fails."""
_FOLDER = "lease"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has, or had, a storage."""

    host: str
    machine: str
    """The host since its last start and the container, so that a pid names one process."""
    pid: int
    user: str
    since: float
    """Seconds since 1970."""
    sweep: str
    """The sweep's key, or what else is done."""
    name: str
    """The sweep's name, for people."""
    token: str
    """Told apart from all others by this."""
    released: bool = False

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.name} (process {self.pid} of {self.user} on {self.host}, since {since})"


class Lease:
    """A storage that this process has; see ``take``.

    Args:
        storage: which one.
        number: raised with every lease.
        holder: this process.
    """

    def __init__(self, storage: Storage, number: int, holder: Holder) -> None:
        self._storage, self.number, self._holder = storage, number, holder
        self.lost: str | None = None
        """Why this process has the storage no more, or None."""
        self.trouble: str | None = None
        """Why the last heartbeat could not be written, or None."""
        self._on_lost: list[Callable[[], None]] = []
        self._on_beat: list[Callable[[], None]] = []
        self._answered = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def on_lost(self, call: Callable[[], None]) -> None:
        """Have something called when this process has no storage any more."""
        self._on_lost.append(call)

    def on_beat(self, call: Callable[[], None]) -> None:
        """Have something called with every heartbeat; it may raise OSError or TassError."""
        self._on_beat.append(call)

    def release(self) -> None:
        """Let the next process have the storage at once."""
        self._ended.set()
        self._thread.join()
        if self.lost is None:
            with contextlib.suppress(OSError):
                self._write(replace(self._holder, released=True))

    def _run(self) -> None:
        while not self._ended.wait(BEAT) and self.lost is None:
            try:
                self._beat()
                self.trouble, self._answered = None, time.monotonic()
            except (OSError, TassError) as error:
                self.trouble = f"the storage does not answer ({error})"
                logger.warning("no heartbeat: %s", self.trouble)
                if time.monotonic() - self._answered > OUTAGE:
                    self._lose(f"{self._storage.place} has not answered for {OUTAGE / 60:.0f} min")

    def _beat(self) -> None:
        self._write(self._holder)
        number, holder = _latest(self._storage)
        if number > self.number:
            self._lose(f"{self._storage.place} was taken over by {holder}")
            return
        for call in self._on_beat:
            call()

    def _lose(self, why: str) -> None:
        self.lost = why
        logger.error("%s", why)
        for call in self._on_lost:
            call()

    def _write(self, holder: Holder) -> None:
        self._storage.write(_name(self.number), json.dumps(asdict(holder)))


@contextlib.contextmanager
def take(storage: Storage, sweep: str, name: str) -> Iterator[Lease]:
    """Have a storage to oneself for as long as the block runs.

    Args:
        storage: a driver's.
        sweep: key of the sweep, or what else is done.
        name: what people call it.

    Raises:
        SweepError: another process has the storage, or it does not answer.
    """
    try:
        lease = _acquire(storage, sweep, name)
    except OSError as error:
        raise SweepError(f"--storage {storage.place}: {error}") from None
    try:
        yield lease
    finally:
        lease.release()


def holder(storage: Storage) -> Holder | None:
    """Return who has a storage, or None when it is free.

    Raises:
        SweepError: the storage does not answer.
    """
    try:
        number, found = _latest(storage)
        alive = found is not None and _age_if_alive(storage, number, found) is not None
    except OSError as error:
        raise SweepError(f"--storage {storage.place}: {error}") from None
    return found if alive else None


def newest(storage: Storage) -> int:
    """Return the highest number that was given; 0 for none."""
    return max(map(_number, storage.names(_FOLDER)), default=0)


def _acquire(storage: Storage, sweep: str, name: str) -> Lease:
    token, user = uuid.uuid4().hex, getpass.getuser()
    own = Holder(_host(), _machine(), os.getpid(), user, time.time(), sweep, name, token)
    while True:
        number, other = _latest(storage)
        age = None if other is None else _age_if_alive(storage, number, other)
        if age is not None:
            raise SweepError(
                f"--storage {storage.place} is held by {other}, whose last sign of life was "
                f"{age:.0f} s ago. Wait until it ends, stop it there, or name another --storage. "
                f"If that process is dead, the storage is free in {max(EXPIRES - age, 0):.0f} s"
            )
        if not storage.create(_name(number + 1), json.dumps(asdict(own))):
            continue
        # Somebody who was stopped for long may create a number that was given and removed before.
        if newest(storage) == number + 1:
            for inner in storage.names(_FOLDER):
                if _number(inner) <= number:
                    storage.delete(f"{_FOLDER}/{inner}")
            return Lease(storage, number + 1, own)
        storage.delete(_name(number + 1))


def _latest(storage: Storage) -> tuple[int, Holder | None]:
    """Return the newest lease: its number and who has it; None where that cannot be read."""
    number = newest(storage)
    if not number:
        return 0, None
    try:
        return number, Holder(**json.loads(storage.read(_name(number))))
    except FileNotFoundError:
        return _latest(storage)
    except (ValueError, TypeError):
        return number, Holder("?", "", 0, "?", 0.0, "", "a process of another version", "")


def _age_if_alive(storage: Storage, number: int, holder: Holder) -> float | None:
    """Return the seconds since a holder's last sign of life, or None when it is dead or gone."""
    if holder.released or (holder.machine == _machine() and not _runs(holder.pid)):
        return None
    try:
        age = storage.age(_name(number))
    except FileNotFoundError:
        return None
    return age if age < EXPIRES else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _host() -> str:
    return socket.gethostname()


def _machine() -> str:
    parts = [_host()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(parts)


def _name(number: int) -> str:
    return f"{_FOLDER}/{number:06d}.json"


def _number(inner: str) -> int:
    return int(Path(inner).stem) if Path(inner).stem.isdigit() else 0
