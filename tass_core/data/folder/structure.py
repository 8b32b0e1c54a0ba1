"""What arrays ``features.h5`` must hold, by the dataset's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tass_core.data.folder.description import AUDIO_WIDTH, Description


def count_sentences(store: Any, layout: Description) -> int:
    """Return S, the distinct sentences of an open ``features.h5``."""
    name, encoder = next(iter(layout.encoders.items()))
    return int(store[f"{name}/text" if encoder.text else f"{name}/tokens"].shape[0])


def expected_shapes(layout: Description, sentences: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array by its name."""
    videos, segments = layout.videos, layout.stored_segments
    shapes: dict[str, tuple[int, ...]] = {"audio": (videos, segments, AUDIO_WIDTH)}
    for name, item in layout.encoders.items():
        shapes[f"{name}/visual"] = (videos, segments, item.regions, item.visual)
        if item.text:
            shapes[f"{name}/text"] = (sentences, item.text)
        if item.text and item.words:
            shapes[f"{name}/words"] = (sentences, item.words, item.text)
            shapes[f"{name}/word_count"] = (sentences,)
        if not item.text:
            shapes[f"{name}/tokens"] = (sentences, item.words)
        if item.vectors:
            shapes[f"{name}/vectors"] = (len(layout.vocabulary), item.vectors)
    return shapes


def check_arrays(store: Any, layout: Description) -> None:
    """Make sure that an open ``features.h5`` holds every array in its shape and full length.

    Raises:
        ValueError: one is missing, of another shape or kind, or cut short.
    """
    size = Path(store.filename).stat().st_size
    for name, shape in expected_shapes(layout, count_sentences(store, layout)).items():
        if name not in store:
            raise ValueError(f"array '{name}' is missing")
        found = store[name]
        kind = "i" if name.endswith(("tokens", "word_count")) else "f"
        if tuple(found.shape) != shape or found.dtype.kind != kind:
            raise ValueError(
                f"array '{name}' is {found.dtype} {tuple(found.shape)}, expected {shape}"
            )
        # A file cut short can still have whole headers.
        offset = found.id.get_offset()
        if offset is not None and offset + found.id.get_storage_size() > size:
            raise ValueError(f"array '{name}' reaches beyond the end of the file")
