"""The dataset folder's description: what ``dataset.json`` holds, and its fingerprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tass_core.config import Pooling, digest
from tass_core.errors import DataError

FORMAT = 1
AUDIO_WIDTH = 128
SPLITS: tuple[str, ...] = ("train", "val", "test")

Provenance = Literal["procedural", "procedural-over-real-questions", "features", "videos"]
PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)

DESCRIPTION = "dataset.json"
FEATURES = "features.h5"
VIDEOS = "videos.parquet"
TRUTH = "truth.h5"
SCENES = "scenes.json.gz"


@dataclass(frozen=True, slots=True)
class EncoderLayout:
    """What one visual encoder stores for a segment: a grid of regions with channels each."""

    grid: tuple[int, int]
    """Rows and columns of the region map; P is their product, row by row."""
    visual: int
    """C, channels of a region."""
    text: int = 0
    """Width of the sentence feature; 0 when the encoder's questions are tokens."""
    words: int = 0
    """N, the longest question in words; 0 when there are neither words nor tokens."""
    vectors: int = 0
    """Width of the pretrained word vectors; 0 when there are none."""

    @property
    def regions(self) -> int:
        """P, the number of regions."""
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True, slots=True)
class Description:
    """The contents of ``dataset.json``."""

    name: str
    provenance: Provenance
    description: str
    videos: int
    segments: int
    """T1, segments of a video before any pooling (60 seconds in MUSIC-AVQA)."""
    stored_t2: int
    """How many segments each stored one already stands for; T1 / stored_t2 are stored."""
    stored_pooling: Pooling
    """How the stored segments were pooled, when stored_t2 is above 1."""
    answers: tuple[str, ...]
    encoders: Mapping[str, EncoderLayout]
    vocabulary: tuple[str, ...] = ()
    """Words by token; place 0 is padding."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """Config values recommended for this dataset, by dotted name."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """How the dataset came about, for ``data info``; no part of the fingerprint."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by file; the arrays of features.h5 one by one, over their bytes."""
    contents: str = ""
    """SHA-256 over the questions' columns and the truth, whatever file format holds them."""

    @property
    def stored_segments(self) -> int:
        """Segments of a video as stored."""
        return self.segments // self.stored_t2

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that can change a trial's result.

        Names, descriptions and recommended settings are no part of it.
        """
        arrays = {key: value for key, value in self.checksums.items() if key.startswith(FEATURES)}
        return digest(
            {
                "arrays": arrays,
                "contents": self.contents,
                "segments": [self.segments, self.stored_t2, self.stored_pooling],
                "encoders": {name: asdict(layout) for name, layout in self.encoders.items()},
                "vocabulary": list(self.vocabulary),
                "answers": list(self.answers),
            }
        )[:16]

    def to_json(self) -> str:
        """Return the text of ``dataset.json``."""
        values = asdict(self) | {
            "format": FORMAT,
            "encoders": {name: asdict(layout) for name, layout in self.encoders.items()},
            "grid": list(next(iter(self.encoders.values())).grid),
            "fingerprint": self.fingerprint,
        }
        return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_description(folder: Path) -> Description:
    """Read and check ``dataset.json``.

    Raises:
        DataError: it is missing, damaged, of another format, or contradicts itself.
    """
    path = folder / DESCRIPTION
    if not folder.is_dir() or not path.is_file():
        raise DataError(
            f"{folder} is no dataset: it has no {DESCRIPTION}; make one with 'tass-cli data make "
            "--preset demo --out DIR', 'tass-cli data ingest' or 'tass-cli data extract'"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {_REMAKE}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else None
        raise DataError(f"{path}: format {found!r}; this version reads format {FORMAT}; {_REMAKE}")
    try:
        description = _parse(values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: field missing or of the wrong kind ({error}); {_REMAKE}"
        ) from None
    _check(path, description, values.get("fingerprint"))
    return description


_REMAKE = "the file is damaged: make the dataset again"


def _parse(values: Mapping[str, Any]) -> Description:
    encoders = {
        _string(name): EncoderLayout(
            grid=(_whole(item["grid"][0]), _whole(item["grid"][1])),
            **{key: _whole(item[key]) for key in ("visual", "text", "words", "vectors")},
        )
        for name, item in values["encoders"].items()
    }
    return Description(
        name=_string(values["name"]),
        provenance=values["provenance"],
        description=_string(values["description"]),
        videos=_whole(values["videos"]),
        segments=_whole(values["segments"]),
        stored_t2=_whole(values["stored_t2"]),
        stored_pooling=values["stored_pooling"],
        answers=tuple(map(_string, values["answers"])),
        encoders=encoders,
        vocabulary=tuple(map(_string, values["vocabulary"])),
        base=dict(values["base"]),
        notes=dict(values["notes"]),
        checksums={_string(key): _string(item) for key, item in values["checksums"].items()},
        contents=_string(values["contents"]),
    )


def _check(path: Path, description: Description, fingerprint: object) -> None:
    problem = layout_problem(description)
    if problem is None and description.fingerprint != fingerprint:
        problem = f"fingerprint {fingerprint!r} does not belong to the contents"
    if problem is not None:
        raise DataError(f"{path}: {problem}; {_REMAKE}")


def layout_problem(description: Description) -> str | None:
    """Return what contradicts itself in a description, or None."""
    sizes = [
        number
        for layout in description.encoders.values()
        for number in (*layout.grid, layout.visual)
    ]
    if description.provenance not in PROVENANCES:
        return f"provenance {description.provenance!r} is not one of {', '.join(PROVENANCES)}"
    if description.stored_pooling not in get_args(Pooling):
        return f"stored_pooling {description.stored_pooling!r} is not mean or stride"
    if not description.encoders:
        return "it names no encoder"
    if min(*sizes, description.videos, description.segments, description.stored_t2) < 1:
        return "videos, segments, stored_t2, grids and channels must be at least 1"
    if description.segments % description.stored_t2:
        return (
            f"stored_t2 = {description.stored_t2} does not divide "
            f"the {description.segments} segments"
        )
    if len(set(description.answers)) != len(description.answers) or not description.answers:
        return "its answers are empty or repeat"
    return None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
