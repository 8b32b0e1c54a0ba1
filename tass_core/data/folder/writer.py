"""Writing a dataset folder: streamed, checked on the way in, complete or not there at all."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

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
    DESCRIPTION,
    FEATURES,
    SCENES,
    TRUTH,
    VIDEOS,
    Description,
)
from tass_core.data.folder.stream import ArrayStream, sha256_array, sha256_file
from tass_core.data.folder.truth import write_truth
from tass_core.errors import DataError
from tass_core.files import PartialFolder, storage_errors, sync

Array = npt.NDArray[Any]
Info = Mapping[str, str | int | float | bool | None]


class DatasetWriter:
    """Write a dataset folder as a context manager; memory does not grow with the videos.

    Everything goes to a hidden folder beside ``path`` and is renamed into place by
    ``finish``. Leaving the block without ``finish``, or by an exception, removes it, and an
    existing dataset stays as it was. What a killed writer left is removed by the next one::

        description = Description(
            name="demo", provenance="procedural", videos=200, segments=20,
            encoders={"clip": EncoderArrays(grid=(7, 7), visual=64)},
        )
        with DatasetWriter("data/demo", description) as writer:
            for identity, audio, maps in scenes:         # audio [T1, 128], maps [T1, P, C]
                row = writer.add_video(identity, audio, {"clip": maps})
            writer.set_text("clip", sentences)           # [S, D_t]
            writer.set_questions("train", question_id=..., video=..., sentence=...,
                                 answer=..., type=..., text=...)
            ...                                          # the same for "val" and "test"
            dataset_folder = writer.finish()

    Args:
        path: the dataset folder to make.
        description: what the dataset will be. ``videos`` is the most that will be added; fewer
            may come (the file is then rewritten once at the right size). With ``stored_t2`` above
            1 the arrays given to ``add_video`` are already pooled: T1 / stored_t2 segments.
        force: replace an existing dataset at ``path``.

    Raises:
        DataError: ``path`` exists (without ``force``) or is no dataset (with it), cannot be
            written, the disk is full, or an array does not fit what was announced.
    """

    def __init__(self, path: Path | str, description: Description, *, force: bool = False) -> None:
        self.path = Path(path)
        self._description = description
        self._folder = PartialFolder(self.path, force=force)
        self._videos: dict[str, Info] = {}
        self._arrays: dict[str, Array] = {}
        self._sentences: int | None = None
        self._questions: dict[str, pa.Table] = {}
        self._truth: dict[str, tuple[Array, Array]] = {}
        self._scenes: Any = None
        self._stream: ArrayStream | None = None

    def __enter__(self) -> DatasetWriter:
        shapes, videos = self._description.video_arrays, self._description.videos
        with storage_errors(self.path):
            self._folder.create()
            try:
                self._stream = ArrayStream(self._folder.partial / FEATURES, shapes, videos)
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
        info: Info | None = None,
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
        if video_id in self._videos:
            raise DataError(f"video '{video_id}' is given twice; every video has one row")
        if len(self._videos) >= self._description.videos:
            raise DataError(
                f"video '{video_id}' is one more than the {self._description.videos} announced"
            )
        arrays = {"audio": audio} | {f"{name}/visual": maps for name, maps in visual.items()}
        rows = self._checked_rows(video_id, arrays)
        with storage_errors(self.path):
            assert self._stream is not None
            self._stream.append(rows)
        self._videos[video_id] = dict(info or {})
        return len(self._videos) - 1

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
        sizes = {"text": sentences.shape[1]}
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
            sizes["words"] = words.shape[1]
        self._announce(encoder, **sizes)

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
        sizes = {"words": tokens.shape[1]}
        self._arrays[f"{encoder}/tokens"] = tokens
        if vectors is not None:
            found = checked_vectors(encoder, vectors, len(vocabulary))
            self._arrays[f"{encoder}/vectors"] = found
            sizes["vectors"] = found.shape[1]
        self._announce(encoder, **sizes)
        self._description = replace(self._description, vocabulary=tuple(vocabulary))

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
            split: ``train``, ``val``, ``test`` (one of these never given has no questions), or one
                of the description's further tests.
            question_id: [Q].
            video: [Q] rows as ``add_video`` returned them.
            sentence: [Q] rows of ``set_text`` and ``set_tokens``.
            answer: [Q] places in ``answers``.
            type: [Q] places in ``QUESTION_TYPES``.
            text: [Q] the questions as people read them.
            target: [Q] what a question asks about, or None.
        """
        if split not in self._description.splits:
            known = ", ".join(self._description.splits)
            raise DataError(f"split '{split}' is not one of {known}")
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
        height, width = self._description.grid
        seconds, places = (len(segments), self._description.segments), height * width
        if regions.shape != (*seconds, places) or segments.shape != seconds:
            raise DataError(
                f"truth of {split}: regions {regions.shape} and segments {segments.shape} do not "
                f"fit [Q, {seconds[1]}, {places}] and [Q, {seconds[1]}]"
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

    def _announce(self, encoder: str, *, text: int = 0, words: int = 0, vectors: int = 0) -> None:
        known = self._description.encoders[encoder]
        arrays = replace(known, text=text, words=words, vectors=vectors)
        encoders = {**self._description.encoders, encoder: arrays}
        self._description = replace(self._description, encoders=encoders)

    def _check_complete(self) -> None:
        if not self._videos:
            raise DataError(f"{self.path}: no video was added, so there is no dataset to write")
        if self._sentences is None:
            raise DataError(f"{self.path}: neither set_text nor set_tokens was called")
        for name in self._description.encoders:
            if f"{name}/text" not in self._arrays and f"{name}/tokens" not in self._arrays:
                raise DataError(f"{self.path}: encoder '{name}' has neither text nor tokens")
        for split in self._description.further_tests:
            if not self._questions.get(split):
                raise DataError(f"{self.path}: further test '{split}' has no questions")
        for split, table in self._questions.items():
            require_range(split, "video", table["video"].to_numpy(), len(self._videos))
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
                sums[name] = sha256_array(array)
        self._description = replace(
            self._description,
            videos=len(self._videos),
            checksums={f"{FEATURES}/{name}": value for name, value in sorted(sums.items())},
        )

    def _write_tables(self) -> None:
        rows = [{"video_id": name, **info} for name, info in self._videos.items()]
        pq.write_table(pa.Table.from_pylist(rows), self._folder.partial / VIDEOS)
        self._add_checksum(VIDEOS)
        empty = pa.schema(list(QUESTION_COLUMNS.items())).empty_table()
        splits = self._description.splits
        self._questions = {split: self._questions.get(split, empty) for split in splits}
        for split, table in self._questions.items():
            name = f"questions-{split}.parquet"
            pq.write_table(table, self._folder.partial / name)
            self._add_checksum(name)
        contents = contents_digest(self._questions, self._truth)
        self._description = replace(self._description, contents=contents)

    def _write_truth(self) -> None:
        if not self._truth:
            return
        parts = [self._truth[split] for split in self._questions if split in self._truth]
        height, width = self._description.grid
        write_truth(self._folder.partial / TRUTH, parts, height * width)
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
        self._description = replace(self._description, checksums=sums)
