"""What commands and drivers write to a run themselves, beside the events of the outbox."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests import RequestException

from tass_core.errors import TrackingError
from tracking import schema
from tracking.connect import connect
from tracking.uris import first_line, shown


def beat(uri: str, run_id: str) -> bool:
    """Note that a sweep's driver lives; return whether somebody asked it to stop.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.set_tag(run_id, schema.HEARTBEAT, f"{time.time():.0f}")
        return bool(client.get_run(run_id).data.tags.get(schema.STOP))


def ask_to_stop(uri: str, run_id: str) -> None:
    """Ask a sweep's driver to stop, wherever it runs.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.set_tag(run_id, schema.STOP, f"{time.time():.0f}")


def attach_text(uri: str, run_id: str, name: str, text: str) -> None:
    """Store a text as an artifact of a run, replacing an older one.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.log_text(run_id, text, name)


def describe(uri: str, run_id: str, text: str) -> None:
    """Give a run its description, in Markdown.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.set_tag(run_id, schema.NOTE, text)


def note_decided(uri: str, run_id: str, decisions: Mapping[str, str]) -> None:
    """Note with a sweep's run which of its claims somebody was told of.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.set_tag(run_id, schema.DECIDED, json.dumps(decisions))


def attach_folder(uri: str, run_id: str, folder: Path, path: str) -> None:
    """Store a folder's files as artifacts of a run, under ``path``.

    Raises:
        TrackingError: the store cannot be reached.
    """
    with _attaching(uri) as client:
        client.log_artifacts(run_id, str(folder), path)


@contextlib.contextmanager
def _attaching(uri: str) -> Iterator[MlflowClient]:
    try:
        yield connect(uri)
    except (MlflowException, RequestException, OSError) as error:
        raise TrackingError(f"tracking URI {shown(uri)}: {first_line(error)}") from None
