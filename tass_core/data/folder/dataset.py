"""Reading a dataset folder: checked when opened, cut to a config when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tass_core.config import Pooling, TrialConfig
from tass_core.data.folder.columns import require_range
from tass_core.data.folder.description import (
    AUDIO_WIDTH,
    FEATURES,
    PROVENANCES,
    SPLITS,
    TRUTH,
    VIDEOS,
    Description,
    EncoderArrays,
    check_arrays,
    count_sentences,
    read_description,
)
from tass_core.data.folder.pooling import pooled_array
from tass_core.data.folder.records import INDEX_COLUMNS, Features, Questions, Truth
from tass_core.data.folder.stream import Look, sha256_array, sha256_file
from tass_core.data.folder.truth import pool_truth, read_truth, spread_truth
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.errors import DataError, nearest
from tass_core.files import user_cache
from tass_core.systems.protocol import Shapes

Array = npt.NDArray[Any]
Value = TypeVar("Value")

CHANGED = "contents do not match the checksum in dataset.json, the file was changed or damaged"


def open_dataset(path: Path | str) -> Dataset:
    """Open a dataset folder after checking its structure; contents are checked by ``verify``.

    Raises:
        DataError: the folder is no dataset, or a file is missing, damaged or does not fit.
    """
    dataset = Dataset(Path(path).absolute())
    dataset.check_structure()
    return dataset


class Dataset:
    """A dataset folder, opened by ``open_dataset``; arrays are read when they are wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.description: Description = read_description(folder)
        """Everything ``dataset.json`` says."""
        self._kept: dict[tuple[Any, ...], Any] = {}

    def __reduce__(self) -> tuple[Callable[[Path], Dataset], tuple[Path]]:
        # Another process maps the files itself; a pickle of the maps would copy them.
        return open_dataset, (self.folder,)

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r}, name={self.name!r}, {self.fingerprint})"

    @property
    def name(self) -> str:
        """What the dataset is called in trackers and tables."""
        return self.description.name

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that can change a result."""
        return self.description.fingerprint

    @property
    def provenance(self) -> str:
        """One of ``PROVENANCES``."""
        return self.description.provenance

    @property
    def origin(self) -> str:
        """The provenance in words."""
        return PROVENANCES[self.description.provenance]

    @property
    def invented(self) -> bool:
        """Whether its scenes were invented; its results are then not MUSIC-AVQA's."""
        return self.provenance not in ("features", "videos")

    @property
    def base(self) -> Mapping[str, Any]:
        """Recommended config values by dotted name."""
        return self.description.base

    @property
    def answers(self) -> tuple[str, ...]:
        """The classes, in order."""
        return self.description.answers

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Words by token, padding first; empty without tokens."""
        return self.description.vocabulary

    @property
    def segments(self) -> int:
        """T1, segments of a video before any pooling."""
        return self.description.segments

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the encoders whose features are here."""
        return tuple(self.description.encoders)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the first encoder's region map, and of the truth's."""
        return self.description.grid

    @property
    def splits(self) -> tuple[str, ...]:
        """``train``, ``val``, ``test`` and the further tests."""
        return self.description.splits

    @property
    def tests(self) -> tuple[str, ...]:
        """``test`` and the further tests."""
        return ("test", *self.description.further_tests)

    @property
    def has_truth(self) -> bool:
        """Whether it is known where and when the answers are to be found."""
        return TRUTH in self.description.checksums

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Names of the videos, in feature order."""
        return self._keep(("videos",), lambda: tuple(self.table(VIDEOS)["video_id"].to_pylist()))

    def questions(self, split: str) -> Questions:
        """Return the questions of one of ``splits``.

        Raises:
            DataError: the split is none of these, or its file is damaged.
        """
        return self._keep(("questions", split), lambda: self._read_questions(split))

    def question_table(self, split: str) -> pa.Table:
        """Return a split's whole table, with texts, answers in words and targets."""
        self._require_split(split)
        return self.table(f"questions-{split}.parquet")

    def table(self, name: str) -> pa.Table:
        """Return one Parquet file of the folder.

        Raises:
            DataError: it is missing or damaged.
        """
        self._require_checksum(name)
        try:
            with pq.ParquetFile(self.folder / name) as file:  # read_table would load pandas
                return file.read()
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(name, error) from None

    def shapes(self, config: TrialConfig) -> Shapes:
        """Return the sizes a model for ``config`` is built from."""
        layout = self._encoder(config)
        return Shapes(
            segments=self.segments // config.data.t2,
            regions=layout.regions,
            visual=layout.visual,
            audio=AUDIO_WIDTH,
            text=layout.text,
            words=layout.words,
            vocabulary=0 if layout.text else len(self.vocabulary),
            answers=len(self.answers),
            vectors=layout.vectors,
        )

    def check(self, config: TrialConfig, splits: Sequence[str] = SPLITS) -> None:
        """Make sure that a config can run here.

        Args:
            config: the variant.
            splits: those it needs questions of.

        Raises:
            DataError: the encoder or an array is absent, T2 does not fit, the store is pooled
                otherwise than asked, or a split has no questions.
        """
        layout, needs = self._encoder(config), config.needs()
        self._check_pooling(config.data.t2, config.data.pooling)
        missing = sorted(needs.arrays - layout.arrays)
        if missing:
            raise DataError(
                f"system '{config.system}' needs the {' and '.join(missing)} of encoder "
                f"'{needs.encoder}' with this config, which dataset '{self.name}' does not have; "
                f"it has: {', '.join(sorted(layout.arrays))}"
            )
        for split in splits:
            if not len(self.questions(split)):
                raise DataError(
                    f"dataset '{self.name}' has no {split} questions: training, choosing an epoch "
                    "and reporting need one split each; make it again with a file of each"
                )

    def features(self, config: TrialConfig) -> Features:
        """Return the features of ``config``'s encoder, pooled by its T2; opened once, then kept.

        Raises:
            DataError: the config does not fit, or the files are damaged or cannot be written.
        """
        self._check_pooling(config.data.t2, config.data.pooling)
        name, t2, pooling = config.model.encoder, config.data.t2, config.data.pooling
        key = ("features", name, t2, pooling)
        return self._keep(key, lambda: self._open_features(name, t2, pooling))

    def truth(
        self, split: str, *, segments: int | None = None, regions: int | None = None
    ) -> Truth | None:
        """Return where and when a split's answers are to be found, or None for real data.

        Args:
            split: one of ``splits``.
            segments: T to pool to (a true second makes its segment true); None keeps T1.
            regions: P of a finer square multiple of the truth's grid to spread to; None keeps it.
        """
        self._require_split(split)
        if not self.has_truth:
            return None
        before = self.splits[: self.splits.index(split)]
        start = sum(len(self.questions(name)) for name in before)
        rows = slice(start, start + len(self.questions(split)))
        self._keep((TRUTH,), lambda: self._require_checksum(TRUTH))
        found = read_truth(self.folder / TRUTH, rows)
        if segments is not None:
            found = pool_truth(found, segments)
        return found if regions is None else spread_truth(found, self.grid, regions)

    def verify(self, progress: Callable[[str], None] | None = None) -> None:
        """Compare every file and array with its checksum.

        Args:
            progress: called with the name of each part before it is read.

        Raises:
            DataError: a part is missing, unreadable or not what was written.
        """
        for name in self.description.checksums:
            if progress is not None:
                progress(name)
            self._require_checksum(name)

    def intact(self, name: str, look: Look | None = None) -> bool:
        """Read a file, or an array of ``features.h5``, through and compare it with its checksum.

        Args:
            name: one of ``description.checksums``.
            look: sees an array's rows on the way, block by block.

        Raises:
            DataError: it is missing or unreadable.
        """
        expected = self.description.checksums.get(name)
        file, _, array = name.partition("/")
        if array:
            return self._read_store(lambda store: sha256_array(store[array], look)) == expected
        try:
            return sha256_file(self.folder / file) == expected
        except OSError as error:
            raise self._damaged(name, error) from None

    def check_structure(self) -> None:
        """Make sure that every file is there and every array has its announced shape.

        Raises:
            DataError: one is missing, damaged or of another shape.
        """
        for name in self.description.checksums:
            if not name.startswith(FEATURES) and not (self.folder / name).is_file():
                raise DataError(f"{self.folder / name} is missing; make the dataset again")
        self._read_store(lambda store: check_arrays(store, self.description))
        if len(self.video_ids) != self.description.videos:
            raise DataError(
                f"{self.folder / VIDEOS}: {len(self.video_ids)} rows for "
                f"{self.description.videos} videos; make the dataset again"
            )
        for split in self.splits:
            self.questions(split)

    def _keep(self, key: tuple[Any, ...], make: Callable[[], Value]) -> Value:
        if key not in self._kept:
            self._kept[key] = make()
        found: Value = self._kept[key]
        return found

    def _encoder(self, config: TrialConfig) -> EncoderArrays:
        name = config.model.encoder
        if name not in self.description.encoders:
            raise DataError(
                f"model.encoder = '{name}': dataset '{self.name}' has no features of it; "
                f"allowed here: {', '.join(self.encoders)}"
            )
        return self.description.encoders[name]

    def _check_pooling(self, t2: int, pooling: Pooling) -> None:
        stored, how = self.description.stored_t2, self.description.stored_pooling
        allowed = [size for size in range(1, self.segments + 1) if self.segments % size == 0]
        allowed = [size for size in allowed if size % stored == 0]
        if t2 not in allowed:
            pooled = f", stored pooled over {stored}" if stored > 1 else ""
            raise DataError(
                f"data.t2 = {t2} does not fit dataset '{self.name}' ({self.segments} segments"
                f"{pooled}); allowed here: {', '.join(map(str, allowed))}"
            )
        if stored > 1 and pooling != how:
            raise DataError(
                f"data.pooling = '{pooling}': dataset '{self.name}' is stored pooled over {stored} "
                f"segments by {how}; allowed here: {how}. For '{pooling}' make the dataset again "
                "with all its segments"
            )

    def _read_questions(self, split: str) -> Questions:
        table, found = self.question_table(split), self.description
        sentences = self._read_store(lambda store: count_sentences(store, found))
        limits = (2**63 - 1, found.videos, sentences, len(found.answers), len(QUESTION_TYPES))
        columns = {}
        try:
            for name, limit in zip(INDEX_COLUMNS, limits, strict=True):
                columns[name] = np.asarray(table[name].to_numpy(), dtype=np.int64)
                require_range(split, name, columns[name], limit)
        except (KeyError, ValueError, TypeError, pa.ArrowException, DataError) as error:
            raise self._damaged(f"questions-{split}.parquet", error) from None
        return Questions(**columns)

    def _read_store(self, read: Callable[[Any], Value]) -> Value:
        try:
            with h5py.File(self.folder / FEATURES, "r") as store:
                return read(store)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise self._damaged(FEATURES, error) from None

    def _open_features(self, name: str, t2: int, pooling: Pooling) -> Features:
        layout = self.description.encoders[name]
        read: dict[str, Array] = self._read_store(
            lambda store: {
                part: store[f"{name}/{part}"][()]
                for part in ("text", "words", "word_count", "tokens", "vectors")
                if f"{name}/{part}" in store
            }
        )
        tokens = None if layout.text else read["tokens"].astype(np.int64)
        count = (tokens != 0).sum(axis=1) if tokens is not None else read.get("word_count")
        return Features(
            visual=self._pooled(f"{name}/visual", t2, pooling),
            audio=self._pooled("audio", t2, pooling),
            text=read["text"].astype(np.float32) if layout.text else None,
            words=read.get("words"),
            word_count=None if count is None else count.astype(np.int64),
            tokens=tokens,
            vectors=read.get("vectors"),
        )

    def _pooled(self, name: str, t2: int, pooling: Pooling) -> npt.NDArray[np.float16]:
        """Return an array at T2: mapped as it lies when it is stored so, or from the cache."""
        further = t2 // self.description.stored_t2
        stored = self._map_stored(name)
        if further == 1 and stored is not None:
            return stored
        folders = (self.folder / "cache", user_cache() / self.fingerprint)

        def pool(store: Any) -> npt.NDArray[np.float16]:
            source = stored if stored is not None else store[name]
            return pooled_array(source, f"{self.fingerprint}-{name}", folders, further, pooling)

        return self._read_store(pool)

    def _map_stored(self, name: str) -> npt.NDArray[np.float16] | None:
        """Map an array of the HDF5 file into memory; None when it is stored in chunks."""

        def place(store: Any) -> tuple[int | None, tuple[int, ...], np.dtype[Any]]:
            return store[name].id.get_offset(), tuple(store[name].shape), store[name].dtype

        offset, shape, kind = self._read_store(place)
        if offset is None or kind != np.dtype("<f2"):
            return None
        return np.memmap(self.folder / FEATURES, kind, "r", offset, shape)

    def _require_checksum(self, name: str) -> None:
        # HDF5 and Parquet readers trust their input; a flipped bit must not reach them.
        if not self.intact(name):
            raise DataError(f"{self.folder / name}: {CHANGED}: make the dataset again")

    def _require_split(self, split: str) -> None:
        if split not in self.splits:
            raise DataError(
                f"split '{split}' is not one of {', '.join(self.splits)}"
                f"{nearest(split, self.splits)}"
            )

    def _damaged(self, name: str, error: Exception) -> DataError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return DataError(
            f"{self.folder / name}: missing or damaged ({reason[:300]}); make the dataset again"
        )
