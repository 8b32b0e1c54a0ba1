"""The errors a person can cause, and the words that help to mend them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TassError(Exception):
    """A mistake or mishap whose message alone tells a person what to do."""


class ConfigError(TassError):
    """A configuration names something unknown, out of range or impossible."""


class DataError(TassError):
    """A dataset, question file or feature file is missing, damaged or does not fit."""


class CheckpointError(TassError):
    """A checkpoint is missing, damaged or belongs to another model."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``, or ``""``."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not match:
        tail = {known_name.rsplit(".", 1)[-1]: known_name for known_name in names}
        short = difflib.get_close_matches(name.rsplit(".", 1)[-1], tail, n=1, cutoff=0.5)
        match = [tail[short[0]]] if short else []
    return f"; did you mean '{match[0]}'?" if match else ""
