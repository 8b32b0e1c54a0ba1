"""Where the figures of ``tass-cli bench`` lie, read without torch where there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tass_core.files import user_cache

if TYPE_CHECKING:
    from jobs.machine.bench import Bench


def bench_path() -> Path:
    """Return where plans look for what was measured: ``bench.json`` of the user's cache."""
    return user_cache() / "bench.json"


def read_bench(path: Path) -> Bench | None:
    """Return what was measured, or None when there is nothing of this version and format."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    # Here, not above: it loads torch, for which a machine without figures does not wait.
    from jobs.machine.bench import FORMAT, Bench
    from tass_core import TRAINING_VERSION

    try:
        found = Bench.from_dict(values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    current = (found.format, found.training_version) == (FORMAT, TRAINING_VERSION)
    return found if current else None
