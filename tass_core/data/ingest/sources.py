"""The question files of an ingest, and the account of what is left out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tass_core.data.folder.description import SPLITS
from tass_core.data.music_avqa.questions import RawQuestion, parse_questions
from tass_core.errors import DataError


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that is not in the dataset, and why."""

    kind: str
    """``question`` or ``video``."""
    name: str
    reason: str
    video: str | None = None
    """The video that goes with it, when it is a video."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The usable questions by split, the videos they ask about, and the unusable records."""

    questions: Mapping[str, Sequence[RawQuestion]]
    videos: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def assign_splits(files: Iterable[Path]) -> dict[str, Path]:
    """Tell each question file's split by its name.

    Raises:
        DataError: a name says no split, or two files say the same.
    """
    found: dict[str, Path] = {}
    for file in files:
        named = [split for split in SPLITS if split in file.stem.lower()]
        if len(named) != 1:
            raise DataError(
                f"{file}: its name must contain one of {', '.join(SPLITS)} to tell its split, "
                "as avqa-train.json does"
            )
        if named[0] in found:
            raise DataError(f"{file} and {found[named[0]]} are both for the split '{named[0]}'")
        found[named[0]] = file
    if not found:
        raise DataError("no question file is given; give --questions avqa-train.json ...")
    return {split: found[split] for split in SPLITS if split in found}


def gather(files: Mapping[str, Path], skip_bad: bool, say: Callable[[str], None]) -> Sources:
    """Parse the question files.

    Raises:
        DataError: a file cannot be parsed, or (without ``skip_bad``) a record cannot be used.
    """
    questions, left_out = {}, []
    for split, path in files.items():
        found = parse_questions(path)
        questions[split] = found.questions
        left_out += [LeftOut("question", str(item), item.reason) for item in found.rejected]
        say(f"{split}: {len(found.questions)} questions in {path}")
        for note, count in found.notes.items():
            say(f"{split}: {count} x {note}")
    require_complete(left_out, skip_bad)
    left_out += _repeated_ids(questions)
    require_complete(left_out, skip_bad)
    videos = sorted({question.video_id for asked in questions.values() for question in asked})
    if not videos:
        raise DataError(f"{', '.join(map(str, files.values()))}: no usable question is in there")
    return Sources(questions, tuple(videos), tuple(left_out))


def require_complete(left_out: Sequence[LeftOut], skip_bad: bool, shown: int = 5) -> None:
    """Stop at what cannot be used, unless it may be left out.

    Raises:
        DataError: something is left out and ``skip_bad`` is off; the first few are named.
    """
    if not left_out or skip_bad:
        return
    lines = [
        f"{item.name}: {item.reason}" if item.kind == "video" else item.name
        for item in left_out[:shown]
    ]
    if len(left_out) > shown:
        lines.append(f"and {len(left_out) - shown} more")
    raise DataError(
        "\n  ".join(lines)
        + "\n  mend these, or leave them out with --skip-bad; nothing was written"
    )


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
