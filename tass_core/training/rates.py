"""Rates that were measured, kept in the user's cache for later packs."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from tass_core.files import write_atomically

logger = logging.getLogger(__name__)


def read_rates(path: Path) -> dict[str, dict[int, float]]:
    """Return key -> width -> member steps a second; nothing when the file says nothing."""
    try:
        saved = json.loads(path.read_text())
        return {
            str(key): {int(width): float(rate) for width, rate in rates.items()}
            for key, rates in saved.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_rates(path: Path, key: str, rates: Mapping[int, float]) -> None:
    """Add rates to the file; a folder that refuses is left be."""
    saved = {**read_rates(path), key: dict(rates)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial:
            partial.write_text(json.dumps(saved, indent=2))
    except OSError as error:
        logger.warning("the measured widths cannot be kept: %s", error)
