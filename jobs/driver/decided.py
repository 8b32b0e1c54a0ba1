"""Telling of a sweep's claims when they are decided, each once.

The sweep's run remembers which claims were told of, so that the next command does not repeat them.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from evidence.claims import ClaimResult, ContrastResult, check
from jobs.driver.progress import Progress
from tass_core.errors import ReportError, TassError
from tracking.attach import note_decided
from tracking.reader import Reader
from tracking.schema import DECIDED

logger = logging.getLogger(__name__)

PAUSE = 10.0
"""Seconds between two looks at least; and ``RARE`` times what the last one took."""
RARE = 20.0


class ClaimNotifier:
    """Tells of the claims that a sweep's finished trials decide.

    Args:
        uri: the tracking URI.
        dataset: its name.
        sweep_run: the sweep's run.
        notify: takes a message's title and body.
    """

    def __init__(
        self, uri: str, dataset: str, sweep_run: str, notify: Callable[[str, str], None]
    ) -> None:
        self._uri, self._dataset, self._sweep_run = uri, dataset, sweep_run
        self._reader, self._notify = Reader(uri), notify
        self._told: dict[str, str] = {}

    def look(self) -> None:
        """Tell of what is decided by now and was not told of.

        Looking often costs no error: where seeds were fixed beforehand a claim is judged when its
        rows have all of theirs, where they are added its interval holds at every look.

        Raises:
            TrackingError: the store does not answer.
        """
        snapshot = self._reader.snapshot(self._dataset)
        sweep = snapshot.sweep(self._sweep_run)
        try:
            results = check(snapshot, sweep=self._sweep_run).results
        except ReportError:  # a search has no table before its end
            return
        self._told |= json.loads(sweep.tags.get(DECIDED) or "{}")
        new = [
            it for it in results if it.decision != "undecided" and it.claim.key not in self._told
        ]
        if new:
            self._notify(_title(sweep.name, new), "\n".join(map(_sentence, new)))
            self._told |= {it.claim.key: it.decision for it in new}
            note_decided(self._uri, self._sweep_run, self._told)


@contextmanager
def notifying(notifier: ClaimNotifier | None, progress: Progress) -> Iterator[None]:
    """Let a notifier look while the block runs, in a thread, whenever trials have finished."""
    if notifier is None:
        yield
        return
    closing = threading.Event()
    work = threading.Thread(
        target=_watch, args=(notifier, progress, closing), name="notifier", daemon=True
    )
    work.start()
    try:
        yield
    finally:
        closing.set()
        work.join(timeout=30)


def _watch(notifier: ClaimNotifier, progress: Progress, closing: threading.Event) -> None:
    judged, pause = 0, PAUSE
    while not closing.wait(pause):
        done, began = progress.done, time.monotonic()
        if done == judged:
            continue
        try:
            notifier.look()
            judged = done
        except TassError as error:  # the sweep goes on, and so does the next look
            logger.info("claims are not judged: %s", error)
        pause = max(PAUSE, RARE * (time.monotonic() - began))


def _title(sweep: str, claims: Sequence[ClaimResult]) -> str:
    count = "a claim is" if len(claims) == 1 else f"{len(claims)} claims are"
    return f"Sweep {sweep}: {count} decided"


def _sentence(result: ClaimResult) -> str:
    found = "; ".join(map(_contrast, result.contrasts))
    return f"{result.decision}: {result.claim.sentence} ({found})"


def _contrast(result: ContrastResult) -> str:
    name, estimate = result.contrast.name, result.estimate
    if estimate is None:
        return f"{name}: {result.verdict.reason}"
    interval = estimate.interval
    within = "" if interval is None else f" [{interval.low:+.2f}, {interval.high:+.2f}]"
    return f"{name} {estimate.mean:+.2f}{within}"
