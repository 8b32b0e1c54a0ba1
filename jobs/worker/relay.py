"""Results of ``TorchTrainer``'s workers, brought to the Tune trial that coordinates them.

Ray's own ``TuneReportCallback`` can hang for ever: when the trainer ends before Tune has taken
the last result, Tune's thread puts it behind the trial's closing mark into a queue of one that
nobody but itself empties. Here one thread alone reports, and it returns after the last result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ray import tune
from ray.train import UserCallback
from ray.util.queue import Empty, Queue

PAUSE = 0.5
"""Seconds between two looks at whether the trainer has ended."""


class Relay(UserCallback):  # type: ignore[misc]
    """A callback for ``RunConfig`` that passes on what the first worker reports."""

    def __init__(self) -> None:
        self._queue = Queue(actor_options={"num_cpus": 0})

    def after_report(
        self,
        run_context: Any,  # noqa: ARG002
        metrics: list[dict[str, Any]],
        checkpoint: Any,  # noqa: ARG002
    ) -> None:
        """Pass on the metrics of the worker with rank 0."""
        self._queue.put(metrics[0])

    def follow(self, fit: Callable[[], Any]) -> None:
        """Run a trainer's ``fit`` and report to Tune until it has ended and all is told.

        Raises:
            Exception: whatever ``fit`` raises.
        """
        ended: Future[None] = Future()
        threading.Thread(target=_run, args=(fit, ended), daemon=True).start()
        while not ended.done():
            self._report(block=True)
        while self._report(block=False):
            pass
        self._queue.shutdown()
        ended.result()

    def _report(self, block: bool) -> bool:
        try:
            tune.report(self._queue.get(block=block, timeout=PAUSE))
        except Empty:
            return False
        return True


def _run(fit: Callable[[], Any], ended: Future[None]) -> None:
    try:
        fit()
    except BaseException as error:
        ended.set_exception(error)
    else:
        ended.set_result(None)
