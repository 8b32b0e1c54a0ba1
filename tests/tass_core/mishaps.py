"""Processes that are killed at every call which changes something on a disk."""

import os
import signal
import sys
import traceback

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "ctypes.dlsym"}
"""Python's audit events that come before such a call, beside ``open``; ``dlsym`` finds
``renameat2``."""


def killed_at_every_call(action, folder):
    """Yield after each kill of ``action``, which a fork runs one call further every time.

    What the disk holds then is what a machine that lost the process would hold. The caller
    puts ``folder`` back as it wants it before it asks for the next kill.
    """
    call = 0
    while _killed(action, str(folder), call):
        yield call
        call += 1


def _killed(action, folder, call):
    child = os.fork()
    if not child:
        _die_before(call, folder)
        code = 1
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _die_before(call, folder):
    seen = 0

    def watch(event, arguments):
        nonlocal seen
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not writes and event not in CHANGES:
            return
        if event == "ctypes.dlsym" or any(folder in str(argument) for argument in arguments):
            if seen == call:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(watch)
