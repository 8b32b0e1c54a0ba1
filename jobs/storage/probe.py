"""Whether every node sees a storage: the driver leaves a word there, and the nodes look for it.

A folder that is made on each node's own disk has the same path everywhere, and only this tells.
"""

from __future__ import annotations

import uuid

from jobs.storage import Storage, open_storage
from tass_core.errors import SweepError


def leave_probe(storage: Storage) -> str:
    """Write a word that nobody else knows; return the name to look for, and to delete.

    Raises:
        OSError: the storage does not answer.
    """
    name = f"probe/{uuid.uuid4().hex}"
    storage.write(name, name)
    return name


def probe(place: str, name: str) -> str | None:
    """Return why this node cannot use a storage, or None when it can.

    Args:
        place: of the driver's storage.
        name: what ``leave_probe`` returned there.
    """
    try:
        storage = open_storage(place)
        storage.check()
        storage.read(name)
    except FileNotFoundError:
        return (
            f"--storage {place} is another folder here than on the driver; give a path that every "
            "node mounts, or s3://bucket/folder"
        )
    except (OSError, SweepError) as error:
        return str(error)
    return None
