"""What a pack's folder says of it, in whatever storage it lies."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.packs import Pack
from tass_core.errors import ConfigError
from tass_core.training.results import Status
from tass_core.training.resume import FORMAT

logger = logging.getLogger(__name__)

MEMBERS, INDEX = "members.json", "pack.json"
"""What the pack is, and what its last epoch left; the index commits all other files."""


@dataclass(frozen=True, slots=True)
class SavedPack:
    """A pack that was started."""

    pack: Pack
    epoch: int
    """The last that is saved; 0 before the first."""
    states: Mapping[str, Status]
    """Trial key -> state, as the last epoch left it; empty before the first."""


def read_saved(place: str, members: str | None, index: str | None) -> SavedPack | None:
    """Return what the two files of a pack say, or None when nothing can be made of them.

    Args:
        place: the pack's folder, to be named.
        members: the text of ``members.json``; None when it is missing.
        index: the text of ``pack.json``; None before the first epoch.
    """
    if members is None:
        return None
    try:
        pack = Pack.from_dict(json.loads(members))
        saved: dict[str, Any] = {"format": FORMAT, "epoch": 0, "records": ()}
        if index is not None:
            saved = json.loads(index)
        if saved["format"] != FORMAT:
            raise ValueError(f"{INDEX} has format {saved['format']!r}, this version {FORMAT}")
        states = {record["key"]: record["status"] for record in saved["records"]}
        return SavedPack(pack, saved["epoch"], states)
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning(
            "%s is left aside: %s; another version wrote it, or it is damaged", place, error
        )
        return None


def index_of(key: str, index: str) -> str:
    """Return the index of a pack with one member left of those that an index names."""
    saved = json.loads(index)
    saved["records"] = [record for record in saved["records"] if record["key"] == key]
    return json.dumps(saved) + "\n"


def describe(pack: Pack) -> str:
    """Return the text of ``members.json``."""
    return json.dumps(pack.to_dict()) + "\n"
