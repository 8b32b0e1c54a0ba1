"""Reading MUSIC-AVQA's question files, every known quirk of theirs handled knowingly.

A file is a JSON list of records with the keys ``video_id``, ``question_id``, ``type`` and
``templ_values`` (lists inside strings), ``question_content`` (with placeholders such as
``<Object>``), ``question_deleted`` and ``anser``. What is put right on reading (full-width
question marks, outer spaces, the key's spelling) is counted, never silent; what cannot be
understood is rejected with the record and the reason, never guessed.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tass_core.data.music_avqa.vocabulary import ANSWERS, TEMPLATES, TYPE_NAMES
from tass_core.errors import DataError, nearest

PLACEHOLDER = re.compile(r"<[A-Za-z]+>")

_KEYS = ("video_id", "question_id", "type", "question_content", "templ_values")
_ANSWER_KEYS = ("anser", "answer")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """One record of a question file, normalised."""

    video_id: str
    question_id: int
    type: str
    """One of ``QUESTION_TYPES``."""
    content: str
    """The question with its placeholders, as in ``TEMPLATES``."""
    values: tuple[str, ...]
    """What the placeholders stand for, in order."""
    answer: str
    """One of ``ANSWERS``."""

    @property
    def text(self) -> str:
        """The question with its placeholders filled in."""
        values = iter(self.values)
        return PLACEHOLDER.sub(lambda _match: next(values), self.content)

    @property
    def known_template(self) -> bool:
        """Whether the type and content are one of the 33 templates."""
        return (self.type, self.content) in TEMPLATES


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be used, and why."""

    file: str
    record: int
    """Its place in the file, from 0."""
    question_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: record {self.record} (question_id {self.question_id}): {self.reason}"


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """What a question file holds: usable questions, rejected records, what was put right."""

    path: Path
    questions: tuple[RawQuestion, ...]
    rejected: tuple[Rejected, ...]
    notes: Mapping[str, int]
    """What was normalised or left out by rule, and how often."""


def parse_questions(path: Path | str) -> QuestionFile:
    """Read a question file and set aside the records that cannot be used.

    Raises:
        DataError: the file is missing, unreadable, not JSON or not a list of records.
    """
    path = Path(path)
    records = _load(path)
    notes: Counter[str] = Counter()
    questions: list[tuple[int, RawQuestion]] = []
    rejected: list[Rejected] = []
    for index, record in enumerate(records):
        try:
            if _is_deleted(record):
                notes["records marked question_deleted, left out"] += 1
                continue
            questions.append((index, _question(record, notes)))
        except DataError as error:
            identity = record.get("question_id") if isinstance(record, dict) else None
            rejected.append(Rejected(path.name, index, _shown(identity), str(error)))
    kept = _without_repeats(path, questions, rejected, notes)
    rejected.sort(key=lambda item: item.record)
    return QuestionFile(path, tuple(kept), tuple(rejected), dict(notes))


def _load(path: Path) -> list[Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); give MUSIC-AVQA's question files, "
            "for instance avqa-train.json"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text at byte {error.start}; fetch it again") from None
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not complete JSON ({error.msg} at line {error.lineno}, column "
            f"{error.colno} of {len(text)} characters); the file may be truncated: fetch it again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: JSON that cannot be read ({error}); fetch it again") from None
    if not isinstance(records, list):
        raise DataError(
            f"{path}: a question file is a JSON list of records, not {_kind(records)}; "
            "give MUSIC-AVQA's avqa-*.json"
        )
    return records


def _is_deleted(record: Any) -> bool:
    return isinstance(record, dict) and record.get("question_deleted", 0) not in (0, "0", False)


def _question(record: Any, notes: Counter[str]) -> RawQuestion:
    if not isinstance(record, dict):
        raise DataError(f"a record is a JSON object, not {_kind(record)}")
    missing = [key for key in _KEYS if key not in record]
    if missing:
        raise DataError(f"key '{missing[0]}' is missing; its keys are {_shown(sorted(record))}")
    content = _content(record["question_content"], notes)
    values = _values(record["templ_values"], notes)
    places = PLACEHOLDER.findall(content)
    if len(places) != len(values):
        raise DataError(
            f"templ_values has {len(values)} values for the {len(places)} placeholders of "
            f"'{_shown(content)}'"
        )
    question = RawQuestion(
        video_id=_video_id(record["video_id"], notes),
        question_id=_question_id(record["question_id"]),
        type=_type(record["type"]),
        content=content,
        values=values,
        answer=_answer(record, notes),
    )
    if not question.known_template:
        notes["questions outside the 33 templates, kept"] += 1
    return question


def _content(value: Any, notes: Counter[str]) -> str:
    text = _text("question_content", value)
    if "？" in text:
        notes["full-width question marks made plain"] += 1
        text = text.replace("？", "?")
    if text != text.strip():
        notes["outer spaces removed from questions"] += 1
    return " ".join(text.split())


def _values(value: Any, notes: Counter[str]) -> tuple[str, ...]:
    items = _inner_list("templ_values", value)
    texts = tuple(_text("templ_values", item) for item in items)
    if any(text != text.strip() for text in texts):
        notes["outer spaces removed from template values"] += 1
    return tuple(" ".join(text.split()) for text in texts)


def _video_id(value: Any, notes: Counter[str]) -> str:
    text = _text("video_id", value)
    if text != text.strip():
        notes["outer spaces removed from video ids"] += 1
    text = text.strip()
    if "/" in text or "\\" in text or "\0" in text or text in (".", ".."):
        raise DataError(f"video_id '{_shown(text)}' is not a plain file name")
    return text


def _question_id(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise DataError(f"question_id = {_shown(value)} is not a whole number from 0")
    return value


def _type(value: Any) -> str:
    pair = tuple(_inner_list("type", value))
    if len(pair) != 2 or not all(isinstance(part, str) for part in pair) or pair not in TYPE_NAMES:
        known = [", ".join(known) for known in TYPE_NAMES]
        hint = nearest(", ".join(map(str, pair)), known)
        raise DataError(f"type {_shown(value)} is none of the nine types{hint}")
    return TYPE_NAMES[pair]


def _answer(record: Mapping[str, Any], notes: Counter[str]) -> str:
    key = next((key for key in _ANSWER_KEYS if key in record), None)
    if key is None:
        raise DataError("key 'anser' is missing (the files' own spelling; 'answer' will do)")
    text = _text(key, record[key])
    if text != text.strip():
        notes["outer spaces removed from answers"] += 1
    text = text.strip()
    if text not in ANSWERS:
        raise DataError(
            f"answer '{_shown(text)}' is none of the 42 answers{nearest(text[:99], ANSWERS)}"
        )
    return text


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{key} = {_shown(value)} is not a text")
    if len(value) > _LONGEST:
        raise DataError(f"{key} is {len(value)} characters long; at most {_LONGEST} are sensible")
    if any(0xD800 <= ord(character) < 0xE000 for character in value):
        raise DataError(f"{key} = {_shown(value)} holds half a character (a lone surrogate)")
    return value


def _inner_list(key: str, value: Any) -> list[Any]:
    """Read a list that the files keep inside a string, in JSON's or Python's notation."""
    if isinstance(value, list):
        return value
    text = _text(key, value)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            found = None
    if not isinstance(found, list | tuple):
        raise DataError(f"{key} = {_shown(value)} is not a list")
    return list(found)


def _without_repeats(
    path: Path,
    questions: list[tuple[int, RawQuestion]],
    rejected: list[Rejected],
    notes: Counter[str],
) -> list[RawQuestion]:
    """Keep one of identical records; reject all records of an id that contradicts itself."""
    by_id: dict[int, list[tuple[int, RawQuestion]]] = {}
    for index, question in questions:
        by_id.setdefault(question.question_id, []).append((index, question))
    kept = []
    for identity, group in by_id.items():
        if len({question for _index, question in group}) == 1:
            kept.append(group[0][1])
            notes["identical records of one question_id, kept once"] += len(group) - 1
            continue
        places = ", ".join(str(index) for index, _question in group)
        for index, question in group:
            reason = (
                f"question_id repeats with different contents (records {places}; answer here: "
                f"'{question.answer}'): the updated files of MUSIC-AVQA have no such repeats"
            )
            rejected.append(Rejected(path.name, index, str(identity), reason))
    notes += Counter()  # drops the zeros
    return kept


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 120 else text[:117] + "..."


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")
