"""The mistakes and mishaps of running sweeps."""

from __future__ import annotations

from tass_core.errors import TassError


class SweepError(TassError):
    """A sweep cannot be planned or started as it was asked for."""


class TrackingError(TassError):
    """The tracking store cannot be reached or does not hold what is asked for."""


class OrphanError(TrackingError):
    """An event belongs to a run that the tracking store does not have."""


class ExportError(TassError):
    """A checkpoint cannot be exported, or is not what was logged."""
