"""Where packs live: a folder that every node sees, or a bucket that each node copies from.

::

    packs/<pack key>/members.json     what the pack is, see ``jobs.packs.Pack``
    packs/<pack key>/...              its state and results, see ``tass_core.training.resume``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from jobs.packs import Pack
from jobs.storage.bucket import Bucket
from jobs.storage.folder import Folder
from jobs.storage.saved import SavedPack
from tass_core.errors import SweepError


class Storage(Protocol):
    """The packs of one place. Cheap to build, on the driver as on workers."""

    @property
    def place(self) -> str:
        """The storage as any node names it."""

    @property
    def home(self) -> Path:
        """The driver's own folder: for its outbox, lock and logs."""

    def check(self) -> None:
        """Raise SweepError unless something can be written there."""

    def open_pack(self, pack: Pack) -> Path:
        """Return a folder of this node to train a pack in, with what earlier runs left."""

    def publish(self, pack_key: str) -> None:
        """Let every node see what has changed in a pack's folder."""

    def packs(self) -> Iterator[SavedPack]:
        """Yield every pack; one that this version cannot read is told to the log and left out."""

    def fetch(self, relative: str) -> Path:
        """Return a path on this node of a file or folder of the storage.

        Raises:
            FileNotFoundError: it is not there.
        """

    def sizes(self, relative: str) -> Mapping[str, int]:
        """Return path below it -> bytes of the files in a folder of the storage; none is empty."""

    def split(self, pack: Pack, key: str) -> Pack:
        """Return a pack of one member, which goes on from where the whole pack stopped."""

    def delete(self, relative: str) -> None:
        """Remove a folder of the storage; one that is gone already is fine."""


def open_storage(uri: str, workers_per_pack: int = 1) -> Storage:
    """Return the storage at a path, or at a URI that ``pyarrow.fs`` accepts.

    Raises:
        SweepError: the URI names nothing that can be used, or workers could not share it.
    """
    if "://" not in uri:
        return Folder(uri)
    if workers_per_pack > 1:
        raise SweepError(
            f"--storage {uri}: the workers of one pack share its folder; give a path that "
            "every node mounts, or --workers-per-pack 1"
        )
    return Bucket(uri)
