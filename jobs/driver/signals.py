"""What Ctrl-C and SIGTERM do to a sweep."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    """Call a function on Ctrl-C or SIGTERM, in the main thread; elsewhere do nothing."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        act()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt
