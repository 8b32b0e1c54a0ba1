"""The C library's memory, kept for the next step instead of given back after each."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt(3)
_GIB = 2**30


def keep_memory() -> bool:
    """Let glibc keep what a training step frees, for the process that calls it.

    A step's larger tensors are above the size from which glibc asks the system for fresh pages
    and gives them back at once, so that every step waits for the same pages to be cleared.
    No number depends on it; the process holds on to its largest step's memory.

    Returns:
        Whether the C library took the settings; only glibc on Linux knows them.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    kept = library.mallopt(_MMAP_THRESHOLD, _GIB) and library.mallopt(_TRIM_THRESHOLD, 2 * _GIB - 1)
    return bool(kept)
