"""The sizes of the worlds: ``tiny`` for tests, ``demo`` for everybody, ``paper`` in real shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tass_core.errors import DataError, nearest

Preset = Literal["tiny", "demo", "paper"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world is and in what shapes it is rendered."""

    seconds: int
    """T1."""
    stored_t2: int
    """Seconds to a stored segment."""
    grid: tuple[int, int]
    visual: Mapping[str, int]
    """Channels by encoder."""
    text: int
    """D_t."""
    videos: Mapping[str, int]
    """Videos by split; the splits share none."""
    questions: Mapping[str, int]
    """Questions by split."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """Config values that suit this size."""


SIZES: Mapping[Preset, Size] = {
    "tiny": Size(
        seconds=12,
        stored_t2=1,
        grid=(7, 7),
        visual={"clip": 16, "resnet18-glove": 8},
        text=24,
        videos={"train": 80, "val": 20, "test": 30},
        questions={"train": 320, "val": 80, "test": 120},
        base={
            "model.width": 32,
            "optimiser.epochs": 3,
            "optimiser.batch_size": 32,
            "optimiser.learning_rate": 2e-3,
            "optimiser.step_size": 2,
        },
    ),
    "demo": Size(
        seconds=60,
        stored_t2=1,
        grid=(7, 7),
        visual={"clip": 48, "resnet18-glove": 12},
        text=64,
        # A trial answers its test questions once, which costs little beside training, and many of
        # them save seeds: an interval is for new questions, too.
        videos={"train": 1300, "val": 80, "test": 720},
        questions={"train": 11200, "val": 800, "test": 7200},
        base={
            "model.width": 128,
            "data.batching": "video",
            "optimiser.batch_size": 32,
            "optimiser.epochs": 2,
            "optimiser.learning_rate": 5e-4,
            "optimiser.step_size": 2,
        },
    ),
    "paper": Size(
        seconds=60,
        stored_t2=6,
        grid=(7, 7),
        visual={"clip": 2048},
        text=512,
        videos={"train": 6500, "val": 930, "test": 1858},
        questions={"train": 31927, "val": 4568, "test": 9129},
    ),
}


def size_of(preset: str) -> Size:
    """Return a preset's size.

    Raises:
        DataError: there is no such preset.
    """
    for name in PRESETS:
        if name == preset:
            return SIZES[name]
    raise DataError(
        f"preset '{preset}' is not one of {', '.join(PRESETS)}{nearest(preset, PRESETS)}"
    )
