"""Reaching a tracking store: a client that answers, and all pages of an answer."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

# An unreachable server must fail in seconds, not after MLflow's default of minutes. Nor may MLflow
# repeat a request whose answer was lost: there would be two runs where one was to be made.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# It prints where a run can be seen, with the user and password of the URI.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from requests import RequestException

from tass_core.errors import TrackingError
from tracking.uris import first_line, shown, sqlite_path, store_name

PAGE = 1000
"""MLflow's limit on what one call returns, and on the metrics of one call."""

Item = TypeVar("Item")


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
