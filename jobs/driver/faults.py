"""Faults: what Ray says of a pack that ended badly, in one line, and who is to blame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Whose = Literal["pack", "memory", "node", "place"]
"""Who is to blame: the pack, its size, a node that died, or the place where it started."""

SILENT = "its process ended without a word"

_MARKS: tuple[tuple[str, Whose, str], ...] = (
    ("CUDA out of memory", "memory", "out of memory on its GPU"),
    ("OutOfMemory", "memory", "out of memory: Ray ended its process"),
    ("its node has died", "node", "its node died"),
    ("node it was running on died", "node", "its node died"),
    ("worker process has died", "pack", "its process died"),
    ("actor is temporarily unavailable", "node", "its process is out of reach"),
    ("ActorDied", "pack", "its process died"),
    ("The actor died", "pack", "its process died"),
    ("actor_id:", "pack", "its process died"),
)
"""Mark of a Ray error, who is to blame, and what a person wants to read."""
_OF_PLACE = ("PlaceError:", "ModuleNotFoundError:", "ImportError:", "No space left on device")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a pack's process ended before the pack did."""

    reason: str
    whose: Whose = "pack"


def read_fault(text: str) -> Fault:
    """Return the fault that a Ray error tells of."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else SILENT
    for line in reversed(lines):
        for mark in _OF_PLACE:
            if mark in line:
                return Fault(line.partition("PlaceError:")[2].strip() or line[:300], "place")
    for mark, whose, words in _MARKS:
        if mark in text:
            return Fault(words, whose)
    return Fault(last)
