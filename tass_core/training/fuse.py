"""How many members of a pack may make their steps as one: what a person can ask for."""

from __future__ import annotations

from typing import Literal

from tass_core.errors import ConfigError

Fuse = int | Literal["auto", "off"]
"""How many members to fuse at most, or who decides; ``off`` is 1."""


def parse_fuse(text: str) -> Fuse:
    """Read ``auto``, ``off`` or a number.

    Raises:
        ConfigError: the text is none of these.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise ConfigError(f"fuse = '{text}' is unknown; allowed: auto, off, or a number from 1")


def check_fuse(fuse: Fuse, workers: int = 1) -> None:
    """Refuse a width that makes no sense, or that workers who share batches cannot have.

    Raises:
        ConfigError: with what is allowed instead.
    """
    if isinstance(fuse, int) and fuse < 1:
        raise ConfigError(f"fuse = {fuse} is out of range; allowed: auto, off, or 1 or more")
    if isinstance(fuse, int) and fuse > 1 and workers > 1:
        raise ConfigError(
            f"fuse = {fuse} with {workers} workers to a pack: workers that share batches train "
            "members one after another; allowed: auto or off, or one worker to a pack"
        )


def asked_width(fuse: Fuse, workers: int = 1) -> int | None:
    """Return how many members to fuse at most, or None where a measurement decides.

    Raises:
        ConfigError: as ``check_fuse``.
    """
    check_fuse(fuse, workers)
    if fuse == "off" or workers > 1:
        return 1
    return None if fuse == "auto" else fuse
