"""The generators of a world's parts, each independent of all others.

Scenes draw from numbered parts and prototypes from named ones, and both differ from a trial's
``tass_core.randomness``: each derivation decides every number of the worlds that exist.
"""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

import numpy as np

Part = Literal["picture", "sound", "questions", "scene", "invented scene", "carved split"]
"""Numbered from 1, in this order."""

_NUMBERS = {part: number for number, part in enumerate(get_args(Part), start=1)}


def generator(seed: int, part: Part, *place: int) -> np.random.Generator:
    """Return the generator of one part of a world at a place, such as a video's row."""
    return np.random.default_rng(np.random.SeedSequence([seed, _NUMBERS[part], *place]))


def prototype_generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a world's prototypes of one name."""
    digest = hashlib.sha256(f"world {seed} {name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
