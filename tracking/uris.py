"""Tracking URIs: which store one means, and how it may be shown. Nothing here asks a store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from tass_core.errors import TrackingError

DEFAULT_URI = "sqlite:///mlflow.db"
"""MLflow's own default: a database in the working directory."""
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""What MLflow opens itself."""

_SECRET = re.compile(r"([?&][^=&\s]*(?:pass|secret|token|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)
"""A part of a URI's query that has a secret for its value."""


def resolve_uri(uri: str | None) -> str:
    """Return the tracking URI to use: as given, from the environment, or the default."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def sqlite_path(uri: str) -> Path | None:
    """Return the database file of a SQLite URI, or None for another kind of store.

    SQLite's own ``file:`` URIs say more than a path, and stay as they are.
    """
    if not uri.startswith("sqlite:///") or uri.startswith("sqlite:///file:"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").split("?")[0])).absolute()


def is_database(uri: str) -> bool:
    """Whether a URI is a database's, which MLflow opens in this process, and no server's."""
    return uri.partition("://")[0].partition("+")[0] in _DATABASES


def store_name(uri: str) -> str:
    """Return what a store is called whatever the working directory is."""
    database = sqlite_path(uri)
    return uri if database is None else f"sqlite:///{database}"


def shown(text: str) -> str:
    """Return a URI, or a text with URIs, as it may be shown: without users and passwords."""
    return _SECRET.sub(r"\1***", re.sub(r"//[^/\s]*@", "//", text))


def require_store(uri: str) -> None:
    """Refuse a SQLite file that is not there: reading must not make one.

    Raises:
        TrackingError: there is no database at ``uri``.
    """
    database = sqlite_path(uri)
    if database is not None and not database.is_file():
        raise TrackingError(
            f"tracking URI {uri}: no database at {database}; run `tass-cli sweep ablations` here "
            "first, or name another store with --tracking-uri URI or MLFLOW_TRACKING_URI"
        )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without passwords, or its type."""
    lines = shown(str(error).strip()).splitlines()
    # SQLAlchemy puts advice to its own users before what happened.
    told = [line for line in lines if not line.startswith("(raised as a result of")]
    return told[0] if told else type(error).__name__
