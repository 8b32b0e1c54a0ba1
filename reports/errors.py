"""What can go wrong between a tracking server and a report."""

from __future__ import annotations

from tass_core.errors import TassError


class ReportError(TassError):
    """A tracking store, sweep, table or format that cannot be reported on as asked."""
