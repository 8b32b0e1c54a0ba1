"""What packs' folders say of them, in whatever storage they lie."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.packs import Pack
from jobs.storage import Storage
from tass_core.errors import ConfigError
from tass_core.training.results import FORMAT, Status

logger = logging.getLogger(__name__)

PACKS = "packs"
MEMBERS, INDEX = "members.json", "pack.json"
"""What the pack is, and what its last saved epoch left; the index commits all other files."""
_CLAIM = re.compile(r"\d{6}-\d{4}")


@dataclass(frozen=True, slots=True)
class SavedPack:
    """A pack that was started."""

    pack: Pack
    epoch: int
    """The last that is saved; 0 before the first."""
    states: Mapping[str, Status]
    """Trial key -> state, as the last saved epoch left it; empty before the first."""


def saved_packs(storage: Storage) -> Iterator[SavedPack]:
    """Yield every pack by its key, as the newest generation that saved something left it.

    One that this version cannot read is named in the log and left out.

    Raises:
        OSError: the storage does not answer.
    """
    found: dict[str, set[str]] = {}
    for name in storage.names(PACKS):
        key, _, path = name.partition("/")
        found.setdefault(key, set()).add(path)
    for key, inner in sorted(found.items()):
        generation = newest_saved(inner) or newest_generation(inner)
        if generation is None:
            leave_aside(f"{storage.place}/{PACKS}/{key}", "it has no generations")
            continue
        saved = read_pack(storage, f"{PACKS}/{key}/{generation}", f"{generation}/{INDEX}" in inner)
        if saved is not None:
            yield saved


def read_pack(storage: Storage, folder: str, has_index: bool) -> SavedPack | None:
    """Return what a generation's folder says, or None when nothing can be made of it."""
    try:
        pack = Pack.from_dict(json.loads(storage.read(f"{folder}/{MEMBERS}")))
        index = read_index(storage.read(f"{folder}/{INDEX}")) if has_index else {}
        states = {record["key"]: record["status"] for record in index.get("records", ())}
        return SavedPack(pack, index.get("epoch", 0), states)
    except FileNotFoundError:
        return None
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        leave_aside(f"{storage.place}/{folder}", str(error))
        return None


def read_index(text: str) -> dict[str, Any]:
    """Return what ``pack.json`` says; ValueError or TypeError for another version's."""
    index: dict[str, Any] = dict(json.loads(text))
    if index["format"] != FORMAT:
        raise ValueError(f"{INDEX} has format {index['format']!r}, this version {FORMAT}")
    return index


def leave_aside(place: str, why: str) -> None:
    """Tell the log of a folder that is not used."""
    logger.warning("%s is left aside: %s; another version wrote it, or it is damaged", place, why)


def newest_generation(names: Iterable[str]) -> str | None:
    """Return the newest generation of a pack, of whose files the names are given."""
    heads = {name.partition("/")[0] for name in names}
    return max(filter(_CLAIM.fullmatch, heads), default=None)


def newest_saved(names: Iterable[str]) -> str | None:
    """Return the newest generation that has saved an epoch."""
    return newest_generation(name for name in names if name.partition("/")[2] == INDEX)
