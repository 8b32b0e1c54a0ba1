"""What ``dataset.json`` says, its fingerprint, and the arrays that must belong to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tass_core.config import Pooling, digest
from tass_core.data.music_avqa.vocabulary import ANSWERS
from tass_core.errors import DataError
from tass_core.systems.protocol import ArrayName

FORMAT = 1
AUDIO_WIDTH = 128
SPLITS: tuple[str, ...] = ("train", "val", "test")
"""What every dataset has; there may be further tests, see ``Description.further_tests``."""
FURTHER_TEST = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""What a further test may be called: it is part of files' and metrics' names."""

Provenance = Literal[
    "procedural", "procedural-over-real-questions", "rendered", "features", "videos"
]
PROVENANCES: Mapping[str, str] = {
    "procedural": "procedural world, not MUSIC-AVQA",
    "procedural-over-real-questions": (
        "procedural world over the real MUSIC-AVQA questions, not MUSIC-AVQA"
    ),
    "rendered": ("rendered from clip art and soundfonts, pretrained encoders; not MUSIC-AVQA"),
    "features": "features",
    "videos": "videos",
}
"""What each kind of dataset is, in the words that stand beside its numbers."""

DESCRIPTION = "dataset.json"
FEATURES = "features.h5"
VIDEOS = "videos.parquet"
TRUTH = "truth.h5"
SCENES = "scenes.json.gz"


@dataclass(frozen=True, slots=True)
class EncoderArrays:
    """What one encoder stores: region maps of the videos, and sentences or their tokens."""

    grid: tuple[int, int]
    """Rows and columns of the region map; P is their product, row by row."""
    visual: int
    """C, channels of a region."""
    text: int = 0
    """D_t, width of the sentence feature; 0 when the encoder's questions are tokens."""
    words: int = 0
    """N, the longest question in words; 0 when there are neither words nor tokens."""
    vectors: int = 0
    """D_w, width of the pretrained word vectors; 0 when there are none."""

    @property
    def regions(self) -> int:
        """P, the number of regions."""
        return self.grid[0] * self.grid[1]

    @property
    def arrays(self) -> frozenset[ArrayName]:
        """What a system can read of the encoder."""
        if not self.text:
            return frozenset({"visual", "tokens"})
        return frozenset({"visual", "sentence", "words"} if self.words else {"visual", "sentence"})


@dataclass(frozen=True, slots=True)
class Description:
    """The contents of ``dataset.json``.

    Who makes a dataset gives the fields down to ``notes``; ``DatasetWriter`` fills in the rest,
    and ``text``, ``words`` and ``vectors`` of the encoders.

    Raises:
        DataError: the fields contradict each other.
    """

    name: str
    """What the dataset is called in trackers and tables."""
    provenance: Provenance
    videos: int
    """V."""
    segments: int
    """T1, segments of a video before any pooling (60 seconds in MUSIC-AVQA)."""
    encoders: Mapping[str, EncoderArrays]
    """By encoder (``clip``, ``resnet18-glove``); the truth lies on the first one's grid."""
    stored_t2: int = 1
    """How many segments each stored one already stands for; T1 / stored_t2 are stored."""
    stored_pooling: Pooling = "mean"
    """How the stored segments were pooled, when stored_t2 is above 1."""
    description: str = ""
    """A sentence for people."""
    answers: tuple[str, ...] = ANSWERS
    """The classes, in order."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """Config values recommended for this dataset, by dotted name; none for real data."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """How the dataset came about, as plain data; no part of the fingerprint."""
    further_tests: tuple[str, ...] = ()
    """Test splits beside ``test``, such as ``unseen-pictures``: trials answer them at their end,
    and tables show them as columns under their names."""
    vocabulary: tuple[str, ...] = ()
    """Words by token; place 0 is padding."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by file; the arrays of features.h5 one by one, over their bytes."""
    contents: str = ""
    """SHA-256 over the questions' columns and the truth, whatever file format holds them."""

    def __post_init__(self) -> None:
        problem = _contradiction(self)
        if problem is not None:
            raise DataError(f"dataset '{self.name}': {problem}")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the first encoder's map, and of the truth."""
        return next(iter(self.encoders.values())).grid

    @property
    def splits(self) -> tuple[str, ...]:
        """Every split, in the order of their questions' rows in ``truth.h5``."""
        return (*SPLITS, *self.further_tests)

    @property
    def stored_segments(self) -> int:
        """Segments of a video as stored."""
        return self.segments // self.stored_t2

    @property
    def video_arrays(self) -> dict[str, tuple[int, ...]]:
        """The shape of one video's row in each array that has such rows, by the array's name."""
        stored = self.stored_segments
        maps = {f"{k}/visual": (stored, e.regions, e.visual) for k, e in self.encoders.items()}
        return {"audio": (stored, AUDIO_WIDTH), **maps}

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that can change a trial's result.

        Names, descriptions and recommended settings are no part of it.
        """
        sums = {key: value for key, value in self.checksums.items() if key.startswith(FEATURES)}
        return digest(
            {
                "arrays": sums,
                "contents": self.contents,
                "segments": [self.segments, self.stored_t2, self.stored_pooling],
                "encoders": {name: asdict(arrays) for name, arrays in self.encoders.items()},
                "vocabulary": list(self.vocabulary),
                "answers": list(self.answers),
            }
        )[:16]

    def to_json(self) -> str:
        """Return the text of ``dataset.json``."""
        values = asdict(self) | {
            "format": FORMAT,
            "grid": self.grid,
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
            "--preset demo --output DIR', 'tass-cli data ingest' or 'tass-cli data extract'"
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
        if description.fingerprint != values.get("fingerprint"):
            raise DataError("the fingerprint does not belong to the contents")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{path}: field missing or of the wrong kind ({error}); {_REMAKE}"
        ) from None
    except DataError as error:
        raise DataError(f"{path}: {error}; {_REMAKE}") from None
    return description


def count_sentences(store: Any, description: Description) -> int:
    """Return S, the distinct sentences of an open ``features.h5``."""
    name, encoder = next(iter(description.encoders.items()))
    return int(store[f"{name}/text" if encoder.text else f"{name}/tokens"].shape[0])


def expected_shapes(description: Description, sentences: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of ``features.h5`` by its name."""
    shapes: dict[str, tuple[int, ...]] = {
        name: (description.videos, *shape) for name, shape in description.video_arrays.items()
    }
    for name, arrays in description.encoders.items():
        if arrays.text:
            shapes[f"{name}/text"] = (sentences, arrays.text)
        if arrays.text and arrays.words:
            shapes[f"{name}/words"] = (sentences, arrays.words, arrays.text)
            shapes[f"{name}/word_count"] = (sentences,)
        if not arrays.text:
            shapes[f"{name}/tokens"] = (sentences, arrays.words)
        if arrays.vectors:
            shapes[f"{name}/vectors"] = (len(description.vocabulary), arrays.vectors)
    return shapes


def check_arrays(store: Any, description: Description) -> None:
    """Make sure that an open ``features.h5`` holds every array in its shape and full length.

    Raises:
        ValueError: one is missing, of another shape or kind, or cut short.
    """
    size = Path(store.filename).stat().st_size
    for name, shape in expected_shapes(description, count_sentences(store, description)).items():
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


_REMAKE = "the file is damaged: make the dataset again"


def _parse(values: Mapping[str, Any]) -> Description:
    encoders = {
        _string(name): EncoderArrays(
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
        further_tests=tuple(map(_string, values.get("further_tests", ()))),
        vocabulary=tuple(map(_string, values["vocabulary"])),
        base=dict(values["base"]),
        notes=dict(values["notes"]),
        checksums={_string(key): _string(item) for key, item in values["checksums"].items()},
        contents=_string(values["contents"]),
    )


def _contradiction(found: Description) -> str | None:
    """Return what contradicts itself in a description, or None."""
    if found.provenance not in PROVENANCES:
        return f"provenance {found.provenance!r} is not one of {', '.join(PROVENANCES)}"
    if found.stored_pooling not in get_args(Pooling):
        return f"stored_pooling {found.stored_pooling!r} is not mean or stride"
    if not found.encoders:
        return "it names no encoder"
    sizes = [size for arrays in found.encoders.values() for size in (*arrays.grid, arrays.visual)]
    if min(*sizes, found.videos, found.segments, found.stored_t2) < 1:
        return "videos, segments, stored_t2, grids and channels must be at least 1"
    if found.segments % found.stored_t2:
        return f"stored_t2 = {found.stored_t2} does not divide the {found.segments} segments"
    if len(set(found.answers)) != len(found.answers) or not found.answers:
        return "its answers are empty or repeat"
    if len(set(found.splits)) != len(found.splits):
        return f"a split repeats among {', '.join(found.splits)}"
    for name in found.further_tests:
        if not FURTHER_TEST.fullmatch(name):
            return f"further test '{name}': names are small letters, digits and single hyphens"
    return None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
