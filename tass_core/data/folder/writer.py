"""Writing a dataset folder: streamed, checked on the way in, complete or not there at all."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tass_core.config import Pooling
from tass_core.data.folder.columns import (
    QUESTION_COLUMNS,
    checked_tokens,
    checked_vectors,
    contents_digest,
    finite_half,
    question_table,
    require_counts,
    require_range,
)
from tass_core.data.folder.description import (
    AUDIO_WIDTH,
    DESCRIPTION,
    FEATURES,
    SCENES,
    SPLITS,
    TRUTH,
    VIDEOS,
    Description,
    EncoderLayout,
    Provenance,
    layout_problem,
)
from tass_core.data.folder.stream import ArrayStream, sha256_file
from tass_core.data.folder.truth import write_truth
from tass_core.data.music_avqa.vocabulary import ANSWERS
from tass_core.errors import DataError
from tass_core.files import PartialFolder, storage_errors, sync

Array = npt.NDArray[Any]


class DatasetWriter:
    """Write a dataset folder as a context manager; memory does not grow with the videos.

    Everything goes to a hidden folder beside ``path`` and is renamed into place by
    ``finish``. Leaving the block without ``finish``, or by an exception, removes it, and an
    existing dataset stays as it was. What a killed writer left is removed by the next one::

        with DatasetWriter(
            "data/demo", name="demo", provenance="procedural", videos=200, segments=20,
            encoders={"clip": EncoderLayout(grid=(7, 7), visual=64)},
        ) as writer:
            for identity, audio, maps in scenes:         # audio [T1, 128], maps [T1, P, C]
                row = writer.add_video(identity, audio, {"clip": maps})
            writer.set_text("clip", sentences)           # [S, D_t]
            writer.set_questions("train", question_id=..., video=..., sentence=...,
                                 answer=..., type=..., text=...)
            ...                                          # the same for "val" and "test"
            dataset_folder = writer.finish()

    Args:
        path: the dataset folder to make.
        name: what the dataset is called in trackers and tables.
        provenance: ``procedural``, ``procedural-over-real-questions``, ``features``, ``videos``.
        videos: V, the most videos that will be added; fewer may come (the file is then
            rewritten once at the right size).
        segments: T1, segments of a video before any pooling.
        encoders: grid and channels by encoder (``clip``, ``resnet18-glove``); leave ``text``,
            ``words`` and ``vectors`` of the layouts alone, ``set_text`` and ``set_tokens`` fill
            them in.
        stored_t2: store segments that are already pooled over this many; the arrays given to
            ``add_video`` then have T1 / stored_t2 segments.
        stored_pooling: how they were pooled, ``mean`` or ``stride``.
        description: a sentence for people.
        base: recommended config values by dotted name; ``{}`` for real data.
        notes: plain data on how the dataset came about, shown by ``data info``.
        answers: the classes, in order.
        force: replace an existing dataset at ``path``.

    Raises:
        DataError: ``path`` exists (without ``force``) or is no dataset (with it), cannot be
            written, the disk is full, or an array does not fit what was announced.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        name: str,
        provenance: Provenance,
        videos: int,
        segments: int,
        encoders: Mapping[str, EncoderLayout],
        stored_t2: int = 1,
        stored_pooling: Pooling = "mean",
        description: str = "",
        base: Mapping[str, Any] | None = None,
        notes: Mapping[str, Any] | None = None,
        answers: Sequence[str] = ANSWERS,
        force: bool = False,
    ) -> None:
        self._description = Description(
            name=name,
            provenance=provenance,
            description=description,
            videos=videos,
            segments=segments,
            stored_t2=stored_t2,
            stored_pooling=stored_pooling,
            answers=tuple(answers),
            encoders=dict(encoders),
            base=dict(base or {}),
            notes=dict(notes or {}),
        )
        problem = layout_problem(self._description)
        if problem is not None:
            raise DataError(f"dataset '{name}': {problem}")
        self.path = Path(path)
        self._folder = PartialFolder(self.path, force=force)
        self._video_ids: list[str] = []
        self._known_videos: dict[str, int] = {}
        self._video_info: list[Mapping[str, Any]] = []
        self._arrays: dict[str, Array] = {}
        self._sentences: int | None = None
        self._questions: dict[str, pa.Table] = {}
        self._truth: dict[str, tuple[Array, Array]] = {}
        self._scenes: Any = None
        self._stream: ArrayStream | None = None

    def __enter__(self) -> DatasetWriter:
        stored = self._description.stored_segments
        shapes: dict[str, tuple[int, ...]] = {"audio": (stored, AUDIO_WIDTH)}
        for name, layout in self._description.encoders.items():
            shapes[f"{name}/visual"] = (stored, layout.regions, layout.visual)
        with storage_errors(self.path):
            self._folder.create()
            try:
                path = self._folder.partial / FEATURES
                self._stream = ArrayStream(path, shapes, self._description.videos)
            except BaseException:
                self._folder.discard()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()
        self._folder.discard()

    def add_video(
        self,
        video_id: str,
        audio: Array,
        visual: Mapping[str, Array],
        info: Mapping[str, str | int | float | bool | None] | None = None,
    ) -> int:
        """Append one video and return its row.

        Args:
            video_id: its name, unique in the dataset.
            audio: [T1 / stored_t2, 128], any float type; stored as float16.
            visual: for every encoder [T1 / stored_t2, P, C] (or [.., h, w, C]), likewise.
            info: further columns for ``videos.parquet``; the same keys for every video.

        Raises:
            DataError: the id repeats, an array has another shape or is not finite as float16.
        """
        if video_id in self._known_videos:
            raise DataError(f"video '{video_id}' is given twice; every video has one row")
        if len(self._video_ids) >= self._description.videos:
            raise DataError(
                f"video '{video_id}' is one more than the {self._description.videos} announced"
            )
        arrays = {"audio": audio} | {f"{name}/visual": maps for name, maps in visual.items()}
        rows = self._checked_rows(video_id, arrays)
        with storage_errors(self.path):
            assert self._stream is not None
            self._stream.append(rows)
        self._known_videos[video_id] = len(self._video_ids)
        self._video_ids.append(video_id)
        self._video_info.append(dict(info or {}))
        return len(self._video_ids) - 1

    def set_text(
        self,
        encoder: str,
        sentences: Array,
        words: Array | None = None,
        word_count: Array | None = None,
    ) -> None:
        """Give the features of every distinct sentence.

        Args:
            encoder: ``clip`` or another encoder of this dataset.
            sentences: [S, D_t].
            words: [S, N, D_t] features of the words, zero beyond a sentence's last word.
            word_count: [S] words of each sentence, at least 1; required with ``words``.
        """
        self._require_encoder(encoder)
        sentences = finite_half(f"{encoder} sentences", sentences, (None, None))
        self._require_sentences(encoder, len(sentences))
        layout = dataclasses.replace(self._description.encoders[encoder], text=sentences.shape[1])
        self._arrays[f"{encoder}/text"] = sentences
        if words is not None:
            if word_count is None:
                raise DataError(f"{encoder}: words come with word_count, one number a sentence")
            shape = (len(sentences), None, sentences.shape[1])
            words = finite_half(f"{encoder} words", words, shape)
            counts = np.asarray(word_count, dtype=np.int16)
            require_counts(encoder, counts, len(sentences), words.shape[1])
            self._arrays[f"{encoder}/words"] = words
            self._arrays[f"{encoder}/word_count"] = counts
            layout = dataclasses.replace(layout, words=words.shape[1])
        self._set_layout(encoder, layout)

    def set_tokens(
        self,
        encoder: str,
        tokens: Array,
        vocabulary: Sequence[str],
        vectors: Array | None = None,
    ) -> None:
        """Give every distinct sentence as words of a vocabulary.

        Args:
            encoder: ``resnet18-glove`` or another encoder of this dataset.
            tokens: [S, N] places in the vocabulary, 0 beyond a sentence's last word.
            vocabulary: the words; place 0 is padding.
            vectors: [vocabulary, D_w] pretrained word vectors, or None.
        """
        self._require_encoder(encoder)
        tokens = checked_tokens(encoder, tokens, len(vocabulary))
        self._require_sentences(encoder, len(tokens))
        layout = dataclasses.replace(
            self._description.encoders[encoder], words=tokens.shape[1], vectors=0
        )
        self._arrays[f"{encoder}/tokens"] = tokens.astype(np.int16)
        if vectors is not None:
            found = checked_vectors(encoder, vectors, len(vocabulary))
            self._arrays[f"{encoder}/vectors"] = found
            layout = dataclasses.replace(layout, vectors=found.shape[1])
        self._set_layout(encoder, layout)
        self._description = dataclasses.replace(self._description, vocabulary=tuple(vocabulary))

    def set_questions(
        self,
        split: str,
        *,
        question_id: Sequence[int] | Array,
        video: Sequence[int] | Array,
        sentence: Sequence[int] | Array,
        answer: Sequence[int] | Array,
        type: Sequence[int] | Array,  # noqa: A002 - the column's name in the dataset
        text: Sequence[str],
        target: Sequence[str | None] | None = None,
    ) -> None:
        """Give the questions of a split, one entry a question in every column.

        Args:
            split: ``train``, ``val`` or ``test``; a split never given has no questions.
            question_id: [Q].
            video: [Q] rows as ``add_video`` returned them.
            sentence: [Q] rows of ``set_text`` and ``set_tokens``.
            answer: [Q] places in ``answers``.
            type: [Q] places in ``QUESTION_TYPES``.
            text: [Q] the questions as people read them.
            target: [Q] what a question asks about, or None.
        """
        if split not in SPLITS:
            raise DataError(f"split '{split}' is not one of {', '.join(SPLITS)}")
        columns = {
            "question_id": question_id,
            "video": video,
            "sentence": sentence,
            "answer": answer,
            "type": type,
        }
        self._questions[split] = question_table(
            split, columns, text, target, self._description.answers
        )

    def set_truth(self, split: str, *, regions: Array, segments: Array) -> None:
        """Give where and when the answer to each question of a split is to be found.

        Args:
            split: one whose questions are given.
            regions: bool [Q, T1, P] on the first encoder's grid.
            segments: bool [Q, T1].
        """
        layout = next(iter(self._description.encoders.values()))
        expected = (len(segments), self._description.segments)
        if regions.shape != (*expected, layout.regions) or segments.shape != expected:
            raise DataError(
                f"truth of {split}: regions {regions.shape} and segments {segments.shape} do not "
                f"fit [Q, {expected[1]}, {layout.regions}] and [Q, {expected[1]}]"
            )
        packed = np.packbits(regions.astype(bool), axis=-1)
        self._truth[split] = (packed, segments.astype(bool))

    def set_scenes(self, scenes: Any) -> None:
        """Give what is needed to draw the scenes: any plain data, kept as ``scenes.json.gz``."""
        self._scenes = scenes

    def attach(self, name: str, text: str) -> None:
        """Lay a text file for people beside the data; no part of the fingerprint."""
        with storage_errors(self.path):
            (self._folder.partial / name).write_text(text, encoding="utf-8")

    def finish(self) -> Path:
        """Check what belongs together, write the rest, and rename the folder into place."""
        self._check_complete()
        with storage_errors(self.path):
            self._write_features()
            self._write_tables()
            self._write_truth()
            self._write_scenes()
            path = self._folder.partial / DESCRIPTION
            path.write_text(self._description.to_json(), encoding="utf-8")
            sync(self._folder.partial)
            self._folder.publish()
        return self.path

    def _checked_rows(self, video_id: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
        assert self._stream is not None
        expected = self._stream.shapes
        if set(arrays) != set(expected):
            raise DataError(
                f"video '{video_id}': arrays {sorted(arrays)} given, {sorted(expected)} announced"
            )
        rows = {}
        for name, array in arrays.items():
            shape = expected[name]
            array = np.asarray(array)
            if array.ndim == 4 and len(shape) == 3:
                array = array.reshape(array.shape[0], -1, array.shape[-1])
            rows[name] = finite_half(f"video '{video_id}' {name}", array, shape)
        return rows

    def _require_encoder(self, encoder: str) -> None:
        if encoder not in self._description.encoders:
            known = ", ".join(self._description.encoders)
            raise DataError(f"encoder '{encoder}' was not announced; announced: {known}")

    def _require_sentences(self, encoder: str, count: int) -> None:
        if self._sentences not in (None, count):
            raise DataError(
                f"{encoder}: {count} sentences, but {self._sentences} were given before; "
                "all encoders describe the same sentences in the same order"
            )
        self._sentences = count

    def _set_layout(self, encoder: str, layout: EncoderLayout) -> None:
        encoders = {**self._description.encoders, encoder: layout}
        self._description = dataclasses.replace(self._description, encoders=encoders)

    def _check_complete(self) -> None:
        if not self._video_ids:
            raise DataError(f"{self.path}: no video was added, so there is no dataset to write")
        if self._sentences is None:
            raise DataError(f"{self.path}: neither set_text nor set_tokens was called")
        for name in self._description.encoders:
            if f"{name}/text" not in self._arrays and f"{name}/tokens" not in self._arrays:
                raise DataError(f"{self.path}: encoder '{name}' has neither text nor tokens")
        for split, table in self._questions.items():
            require_range(split, "video", table["video"].to_numpy(), len(self._video_ids))
            require_range(split, "sentence", table["sentence"].to_numpy(), self._sentences)
        for split in self._truth.keys() | (self._questions.keys() if self._truth else set()):
            asked = len(self._questions[split]) if split in self._questions else 0
            known = len(self._truth[split][1]) if split in self._truth else 0
            if asked != known:
                raise DataError(f"truth of {split}: {known} rows for {asked} questions")

    def _write_features(self) -> None:
        assert self._stream is not None
        sums = self._stream.finish()
        with h5py.File(self._folder.partial / FEATURES, "r+") as store:
            for name, array in self._arrays.items():
                store.create_dataset(name, data=array)
                sums[name] = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        self._description = dataclasses.replace(
            self._description,
            videos=len(self._video_ids),
            checksums={f"{FEATURES}/{name}": value for name, value in sorted(sums.items())},
        )

    def _write_tables(self) -> None:
        rows = [
            {"video_id": name, **info}
            for name, info in zip(self._video_ids, self._video_info, strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows), self._folder.partial / VIDEOS)
        self._add_checksum(VIDEOS)
        empty = pa.schema(list(QUESTION_COLUMNS.items())).empty_table()
        for split in SPLITS:
            table = self._questions.setdefault(split, empty)
            name = f"questions-{split}.parquet"
            pq.write_table(table, self._folder.partial / name)
            self._add_checksum(name)
        contents = contents_digest(self._questions, self._truth)
        self._description = dataclasses.replace(self._description, contents=contents)

    def _write_truth(self) -> None:
        if not self._truth:
            return
        parts = [self._truth[split] for split in SPLITS if split in self._truth]
        regions = next(iter(self._description.encoders.values())).regions
        write_truth(self._folder.partial / TRUTH, parts, regions)
        self._add_checksum(TRUTH)

    def _write_scenes(self) -> None:
        if self._scenes is None:
            return
        text = json.dumps(self._scenes, separators=(",", ":")).encode()
        # mtime 0: the same scenes give the same bytes.
        (self._folder.partial / SCENES).write_bytes(gzip.compress(text, 6, mtime=0))
        self._add_checksum(SCENES)

    def _add_checksum(self, name: str) -> None:
        sums = {**self._description.checksums, name: sha256_file(self._folder.partial / name)}
        self._description = dataclasses.replace(self._description, checksums=sums)
