"""Where packs live: a folder that every node sees, or a bucket of an S3 server.

::

    lease/000002.json                    which driver has the storage, see ``lease``
    packs/<pack key>/<generation>/       what one process made of a pack, see ``generations``
        members.json                     what the pack is, see ``jobs.packs.Pack``
        pack.json, state-*, trials/...   see ``tass_core.training.resume``
    trials/<trial key>.jsonl             a finished trial, whatever pack it was in, see ``results``
    sweeps/<sweep key>.jsonl             what somebody asked for, see ``results``

A name is a path below the storage, with slashes. What a method raises as ``OSError`` may pass by
itself, ``FileNotFoundError`` apart: there is no such name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from jobs.storage.bucket import Bucket
from jobs.storage.folder import Folder
from tass_core.errors import SweepError


class Storage(Protocol):
    """Files by name. Cheap to build, on the driver as on workers."""

    @property
    def place(self) -> str:
        """The storage as any node names it."""

    @property
    def home(self) -> Path:
        """The driver's own folder: for its outbox and logs."""

    def check(self) -> None:
        """Raise SweepError unless something can be written there, once."""

    def names(self, folder: str) -> Mapping[str, int]:
        """Return the files below a folder, by their paths from there, with their bytes."""

    def read(self, name: str) -> str:
        """Return a file's text."""

    def age(self, name: str) -> float:
        """Return the seconds since a file was written, by the storage's own clock."""

    def create(self, name: str, text: str) -> bool:
        """Write a file unless there is one; return whether it holds this text now.

        Of several processes that create one name with different texts, one succeeds.
        """

    def write(self, name: str, text: str) -> None:
        """Write a file, in the place of an older one."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file, or a folder with all that is below it, to a path of this node."""

    def delete(self, name: str) -> None:
        """Remove a file, or all below a folder; what is gone already is fine."""

    def workspace(self, folder: str, files: Mapping[str, str]) -> Path:
        """Return a folder of this node in which a process works on a folder of the storage.

        Args:
            folder: that this process alone writes.
            files: what to begin with: path in the folder -> name; files that never change.
        """

    def stage(self, folder: str) -> Callable[[], None]:
        """Note what a workspace holds; the call that is returned lets every node see it.

        The call may be made by another thread, while the workspace changes.
        """

    def leave(self, folder: str) -> None:
        """Remove what a workspace took of this node."""


def open_storage(uri: str, workers_per_pack: int = 1, patience: float = 0.0) -> Storage:
    """Return the storage at a path, or in a bucket: ``s3://bucket/folder``.

    Args:
        uri: keys and endpoint of a bucket are not part of it, they come from the environment.
        workers_per_pack: that share a pack's folder.
        patience: seconds for which a bucket's server may be away before a method raises.

    Raises:
        SweepError: the URI names nothing that can be used, or workers could not share it.
    """
    if "://" not in uri:
        return Folder(uri)
    parts = urlsplit(uri)
    if parts.username or parts.password or "@" in parts.netloc or parts.query or parts.fragment:
        raise SweepError(
            f"--storage {re.sub(r'//.*@', '//', uri).split('?')[0]}: a URI holds no keys and no "
            "options; give them in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
            "AWS_ENDPOINT_URL)"
        )
    if parts.scheme == "file":
        return Folder(parts.path)
    if parts.scheme != "s3" or not parts.netloc:
        raise SweepError(f"--storage {uri}: allowed are a folder, or s3://bucket/folder")
    if workers_per_pack > 1:
        raise SweepError(
            f"--storage {uri}: the workers of one pack share its folder; give a path that "
            "every node mounts, or --workers-per-pack 1"
        )
    return Bucket(uri, patience)


def fetch(uri: str, target: Path) -> None:
    """Copy what a URI or path of a storage names; FileNotFoundError when it is gone.

    Args:
        uri: a storage's place, and a name below it.
        target: path on this node.
    """
    place, _, name = uri.rpartition("/")
    open_storage(place).fetch(name, target)
