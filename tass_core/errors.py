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


class SweepError(TassError):
    """A sweep cannot be planned or started as it was asked for."""


class TrackingError(TassError):
    """The tracking store cannot be reached or does not hold what is asked for."""


class ExportError(TassError):
    """A checkpoint cannot be exported, or is not what was logged."""


class ReportError(TassError):
    """A tracking store, sweep, table or format that cannot be reported on as asked."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to ``name``, or ``""``."""
    names = list(known)
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not match:
        tail = {known_name.rsplit(".", 1)[-1]: known_name for known_name in names}
        short = difflib.get_close_matches(name.rsplit(".", 1)[-1], tail, n=1, cutoff=0.5)
        match = [tail[short[0]]] if short else []
    return f"; did you mean '{match[0]}'?" if match else ""
