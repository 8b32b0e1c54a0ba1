"""The question files of a dataset to be, and the account of what is left out of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tass_core.data.folder.description import FURTHER_TEST, SPLITS
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.music_avqa.questions import RawQuestion, parse_questions
from tass_core.errors import DataError

Say = Callable[[str], None]
"""Told each remark as it is made."""
Progress = Callable[[int, int], None]
"""Told how many videos are done, and how many there are."""

LEFT_OUT = "left-out.csv"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not in the dataset, and why."""

    kind: Literal["question", "video"]
    name: str
    """A video's name, or where the question stands and what is wrong with it."""
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.kind == "video" else self.name


@dataclass(slots=True)
class Account:
    """What is left out of a dataset, as far as leaving out is allowed."""

    skip_bad: bool
    items: list[LeftOut] = field(default_factory=list)

    @property
    def videos(self) -> set[str]:
        """The videos that are left out."""
        return {item.name for item in self.items if item.kind == "video"}

    def add(self, items: Iterable[LeftOut]) -> None:
        """Leave things out.

        Raises:
            DataError: there is one and ``skip_bad`` is off; the message names the first few.
        """
        items = list(items)
        if items and not self.skip_bad:
            lines = [str(item) for item in items[:_SHOWN]]
            if len(items) > _SHOWN:
                lines.append(f"and {len(items) - _SHOWN} more")
            raise DataError(
                "\n  ".join(lines)
                + "\n  mend these, or leave them out with --skip-bad; nothing was written"
            )
        self.items += items

    def attach(self, writer: DatasetWriter, say: Say) -> None:
        """Lay the account beside a dataset's data, when something is left out."""
        if not self.items:
            return
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["kind", "name", "reason"])
        table.writerows([item.kind, item.name, item.reason] for item in self.items)
        writer.attach(LEFT_OUT, text.getvalue())
        say(f"{len(self.items)} left out, listed in {writer.path / LEFT_OUT}")


@dataclass(frozen=True, slots=True)
class Sources:
    """The usable questions by split, and the videos they ask about in the order of their names."""

    questions: Mapping[str, Sequence[RawQuestion]]
    videos: tuple[str, ...]


def assign_splits(files: Iterable[Path]) -> dict[str, Path]:
    """Tell each question file's split by its name.

    Of several test files the others' names go on from the first's, as ``avqa-test-rephrased.json``
    from ``avqa-test.json``: with the further test's name.

    Raises:
        DataError: a name says no split, or two files say the same.
    """
    found: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: len(file.stem)):
        named = [split for split in SPLITS if split in file.stem.lower()]
        if len(named) != 1:
            raise DataError(
                f"{file}: its name must contain one of {', '.join(SPLITS)} to tell its split, "
                "as avqa-train.json does"
            )
        split, known = named[0], found.get(named[0])
        if known is not None and split == "test" and file.stem.startswith(f"{known.stem}-"):
            split = file.stem.removeprefix(f"{known.stem}-")
            if not FURTHER_TEST.fullmatch(split):
                raise DataError(
                    f"{file}: a further test's name '{split}' is small letters, digits and single "
                    f"hyphens; rename it, as {known.stem}-rephrased.json"
                )
        if split in found:
            raise DataError(f"{file} and {found[split]} are both for the split '{split}'")
        found[split] = file
    if not found:
        raise DataError("no question file is given; give --questions avqa-train.json ...")
    order = [*SPLITS, *sorted(found.keys() - set(SPLITS))]
    return {split: found[split] for split in order if split in found}


def gather(files: Mapping[str, Path], account: Account, say: Say) -> Sources:
    """Parse the question files; what cannot be used goes to the account.

    Raises:
        DataError: a file cannot be parsed, or a record cannot be used and may not be left out.
    """
    questions, rejected = {}, []
    for split, path in files.items():
        found = parse_questions(path)
        questions[split] = found.questions
        rejected += [LeftOut("question", str(item), item.reason) for item in found.rejected]
        say(f"{split}: {len(found.questions)} questions in {path}")
        for note, count in found.notes.items():
            say(f"{split}: {count} x {note}")
    account.add(rejected)
    account.add(_repeated_ids(questions))
    videos = sorted({question.video_id for asked in questions.values() for question in asked})
    if not videos:
        raise DataError(f"{', '.join(map(str, files.values()))}: no usable question is in there")
    return Sources(questions, tuple(videos))


def _repeated_ids(questions: dict[str, tuple[RawQuestion, ...]]) -> list[LeftOut]:
    """Take out of later splits the questions whose id an earlier split has already."""
    seen: dict[int, str] = {}
    left_out = []
    for split, asked in questions.items():
        kept = []
        for question in asked:
            identity = question.question_id
            if identity in seen:
                reason = f"question_id {identity} of {split} is in {seen[identity]} already"
                left_out.append(LeftOut("question", f"question {identity}: {reason}", reason))
            else:
                kept.append(question)
        seen |= {question.question_id: split for question in asked}
        questions[split] = tuple(kept)
    return left_out
