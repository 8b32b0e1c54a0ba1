"""Reaching a tracking store: its URI, a client that answers, and all pages of an answer."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

# An unreachable server must fail in seconds, not after MLflow's default of minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# It prints where a run can be seen, with the user and password of the URI.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.entities import PagedList
from requests import RequestException

from tass_core.errors import TrackingError

DEFAULT_URI = "sqlite:///mlflow.db"
"""MLflow's own default: a database in the working directory."""
PAGE = 1000
"""MLflow's limit on what one call returns, and on the metrics of one call."""

_SECRET = re.compile(r"([?&][^=&\s]*(?:pass|secret|token|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)
"""A part of a URI's query that has a secret for its value."""

Item = TypeVar("Item")


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
    return uri.partition("://")[0].partition("+")[0] in DATABASE_ENGINES


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


def connect(uri: str) -> MlflowClient:
    """Return a client whose store answers; a new SQLite file is set up here, by one process.

    Raises:
        TrackingError: the store does not answer.
    """
    # Setting up a new database is told step by step otherwise.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It shows a traceback for what is raised, and told, anyway.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with _setting_up(sqlite_path(uri)):
            # MLflow keeps one connection for each URI: a relative path would go on to mean the
            # database of the folder in which this process first asked.
            client = MlflowClient(store_name(uri) if sqlite_path(uri) else uri)
            ping(client)
        return client
    except (MlflowException, RequestException, OSError) as error:
        raise TrackingError(
            f"tracking URI {shown(uri)}: {first_line(error)}; {cure(error)}"
        ) from None


def cure(error: BaseException | None) -> str:
    """Return what to do about a store that does not answer, or refuses."""
    status = error.get_http_status_code() if isinstance(error, MlflowException) else 0
    if "Invalid Host header" in str(error):
        return "start the server with --allowed-hosts and the name in the URI"
    if status == HTTPStatus.UNAUTHORIZED:
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account there"
    if status == HTTPStatus.FORBIDDEN:
        return "ask whoever runs the server for the right to write there"
    if re.search("read-?only", str(error)):
        return "make the database writable, or name another store with --tracking-uri URI"
    return "start the server, or name another store with --tracking-uri URI"


def ping(client: MlflowClient) -> None:
    """Ask the store for as little as possible; it raises what MLflow raises."""
    client.search_experiments(max_results=1)


def run_pages(client: MlflowClient, experiments: Sequence[str], condition: str) -> Iterator[Run]:
    """Yield every run of some experiments that meets a condition, page by page."""
    return every_page(
        lambda token: client.search_runs(
            list(experiments), condition, max_results=PAGE, page_token=token
        )
    )


def every_page(ask: Callable[[str | None], PagedList[Item]]) -> Iterator[Item]:
    """Yield the items of all pages that ``ask`` returns, given the token of a page."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, without passwords, or its type."""
    lines = shown(str(error).strip()).splitlines()
    # SQLAlchemy puts advice to its own users before what happened.
    told = [line for line in lines if not line.startswith("(raised as a result of")]
    return told[0] if told else type(error).__name__


@contextlib.contextmanager
def _setting_up(database: Path | None) -> Iterator[None]:
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(database.parent, os.W_OK):
        yield
        return
    with FileLock(database.with_name(f".{database.name}.lock")):
        yield
