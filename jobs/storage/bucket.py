"""A bucket of an S3 server: a pack trains in a folder of its node, which is copied there."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jobs.storage.workspace import Workspace
from tass_core.errors import SweepError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

HOME = Path("tass-runs")
"""Where the driver of a bucket keeps its outbox and logs."""
PAGE = 1000
"""S3's limit on what one call removes."""
_PAUSE = 10.0
"""Seconds between two questions to a server that is away, at most."""
_GONE = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
_FINAL = ("NoSuchBucket", "AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class Bucket:
    """A ``jobs.storage.Storage``.

    Args:
        uri: ``s3://bucket/folder``; endpoint, region and keys come from the environment.
        patience: seconds for which the server may be away before a method raises.

    Raises:
        SweepError: boto3 is not installed.
    """

    def __init__(self, uri: str, patience: float = 0.0) -> None:
        parts = urlsplit(uri)
        self._uri, self._patience = uri.rstrip("/"), patience
        self._bucket, self._root = parts.netloc, parts.path.strip("/")
        self._client, self._silence = _connect(uri), _Silence(self._uri)
        self._workspaces: dict[str, Workspace] = {}

    @property
    def place(self) -> str:
        """The URI."""
        return self._uri

    @property
    def home(self) -> Path:
        """A folder in the working directory."""
        return HOME

    def check(self) -> None:
        """Raise SweepError unless something can be written there, and only once."""
        probe = f"probe/{uuid.uuid4().hex}"
        try:
            first, second = self.create(probe, "first"), self.create(probe, "second")
            self.delete(probe)
        except OSError as error:
            raise SweepError(f"--storage {self._uri}: cannot be written ({error})") from None
        if not first or second:
            raise SweepError(
                f"--storage {self._uri}: this server replaces an object although it is told not "
                "to (If-None-Match), so that two drivers could not tell each other apart; use "
                "one that knows conditional writes, or a folder"
            )

    def names(self, folder: str) -> dict[str, int]:
        """Return the objects below a folder, by their paths from there, with their bytes."""
        prefix = f"{self._key(folder)}/"
        pages = self._client.get_paginator("list_objects_v2")
        found = self._call(lambda: [*pages.paginate(Bucket=self._bucket, Prefix=prefix)])
        items = (item for page in found for item in page.get("Contents", ()))
        return {item["Key"].removeprefix(prefix): item["Size"] for item in items}

    def read(self, name: str) -> str:
        """Return an object's text."""
        place = self._object(name)
        body: bytes = self._call(lambda: self._client.get_object(**place)["Body"].read(), name)
        return body.decode()

    def age(self, name: str) -> float:
        """Return the seconds since an object was written, by the server's clock."""
        found = self._call(lambda: self._client.head_object(**self._object(name)), name)
        now = email.utils.parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - found["LastModified"]).total_seconds())

    def create(self, name: str, text: str) -> bool:
        """Write an object unless there is one; return whether it holds this text now."""
        body = {**self._object(name), "Body": text.encode(), "IfNoneMatch": "*"}
        try:
            self._call(lambda: self._client.put_object(**body))
        except FileExistsError:
            # When an answer was lost on its way, the second try finds what the first wrote.
            with contextlib.suppress(FileNotFoundError):
                return self.read(name) == text
            return False
        return True

    def write(self, name: str, text: str) -> None:
        """Write an object, in the place of an older one."""
        self._call(lambda: self._client.put_object(**self._object(name), Body=text.encode()))

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object, or all below a folder, to a path of this node."""
        inner = self.names(name)
        if not inner:
            self._download(name, target)
        for path in inner:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            self._download(f"{name}/{path}", target / path)

    def delete(self, name: str) -> None:
        """Remove an object, or all below a folder."""
        keys = [self._key(name), *(self._key(f"{name}/{path}") for path in self.names(name))]
        for start in range(0, len(keys), PAGE):
            self._remove(keys[start : start + PAGE])

    def workspace(self, folder: str, files: Mapping[str, str]) -> Path:
        """Return a new folder of this node, with copies of the files to begin with."""
        space = self._workspaces[folder] = Workspace()
        for inner, name in files.items():
            (space.path / inner).parent.mkdir(parents=True, exist_ok=True)
            self._download(name, space.path / inner)
        return space.path

    def stage(self, folder: str) -> Callable[[], None]:
        """Note what a workspace holds; the call copies what has changed, the index last."""
        space = self._workspaces[folder]
        snapshot = space.snapshot()

        def publish() -> None:
            for path in sorted(snapshot, key=lambda path: path.endswith("pack.json")):
                copy, mark = snapshot[path]
                if space.published.get(path) != mark:
                    self._upload(copy, f"{folder}/{path}")
                    space.published[path] = mark
            for path in space.published.keys() - snapshot.keys():
                self.delete(f"{folder}/{path}")
                del space.published[path]
            space.forget(snapshot)

        return publish

    def leave(self, folder: str) -> None:
        """Remove a workspace from this node."""
        if folder in self._workspaces:
            self._workspaces.pop(folder).remove()

    def _key(self, name: str) -> str:
        return f"{self._root}/{name}" if self._root else name

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(name)}

    def _download(self, name: str, target: Path) -> None:
        self._call(
            lambda: self._client.download_file(self._bucket, self._key(name), str(target)), name
        )

    def _upload(self, source: Path, name: str) -> None:
        self._call(lambda: self._client.upload_file(str(source), self._bucket, self._key(name)))

    def _remove(self, keys: Sequence[str]) -> None:
        listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        self._call(lambda: self._client.delete_objects(Bucket=self._bucket, Delete=listed))

    def _call(self, call: Callable[[], Result], name: str = "") -> Result:
        """Return a call's answer; what may pass by itself is tried again while patience lasts."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        deadline, pause = time.monotonic() + self._patience, 0.5
        while True:
            try:
                answer = call()
            except (ClientError, BotoCoreError, Boto3Error) as error:
                code = _code(error)
                if code in _GONE + _TAKEN:
                    self._silence.end()
                if code in _GONE:
                    raise FileNotFoundError(f"{self._uri}/{name} is not there") from None
                if code in _TAKEN:
                    raise FileExistsError(f"{self._uri}/{name} is there") from None
                final = code in _FINAL or isinstance(error, NoCredentialsError)
                if final or time.monotonic() > deadline:
                    raise OSError(f"{self._uri}: {error}") from error
                self._silence.begin(error)
            else:
                self._silence.end()
                return answer
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE)


class _Silence:
    """Tells once that a server does not answer, and once that it does again.

    Threads share it.
    """

    def __init__(self, uri: str) -> None:
        self._uri, self._lock = uri, threading.Lock()
        self._since: float | None = None

    def begin(self, error: Exception) -> None:
        """Take note that a call failed, and will be made again."""
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                logger.warning(
                    "%s does not answer since %s, and is asked until it does: %s",
                    self._uri,
                    time.strftime("%H:%M:%S"),
                    error,
                )

    def end(self) -> None:
        """Take note of an answer."""
        with self._lock:
            if self._since is not None:
                seconds = time.monotonic() - self._since
                logger.warning("%s answers again, after %.0f s", self._uri, seconds)
                self._since = None


def _code(error: Exception) -> str:
    """Return S3's code of an error, or nothing when the server did not answer."""
    cause = error.__context__ if error.__context__ is not None else error
    for found in (error, cause):
        response = getattr(found, "response", None)
        if response:
            return str(response["Error"]["Code"])
    return ""


def _connect(uri: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise SweepError(
            f"--storage {uri}: a bucket needs boto3; pip install 'tass-lab[cluster]'"
        ) from None
    # Servers other than Amazon's do not know every checksum that boto3 would add by itself.
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", config=config)
