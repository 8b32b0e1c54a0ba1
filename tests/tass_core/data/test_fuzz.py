"""Mutated question files, datasets and feature folders: read or refused, and nothing half-made.

An input may be read or refused with a ``DataError``; any other exception fails.
``TASS_FUZZ=10000`` draws that many mutations instead of a few.
"""

import json
import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.examine import check_dataset
from tass_core.data.ingest.features import IngestPlan, ingest
from tass_core.data.ingest.text import TextPlan
from tass_core.data.music_avqa.questions import parse_questions
from tass_core.data.music_avqa.vocabulary import ANSWERS, QUESTION_TYPES
from tass_core.errors import DataError
from tests.tass_core.data.folder.small_datasets import write_small
from tests.tass_core.data.ingest.feature_folders import (
    record,
    video_names,
    write_arrays,
    write_questions,
)

GLOVE = "resnet18-glove"
RECORDS = [record(number, f"0000000{number}") for number in range(3)]
EXAMPLES = int(os.environ.get("TASS_FUZZ", "300"))


def mutations(share):
    """Settings for a part of the examples; fixtures are put right after each of them."""
    return settings(
        max_examples=max(1, round(share * EXAMPLES)),
        database=None,
        suppress_health_check=list(HealthCheck),
    )


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(["[", "[[]]", '["Audio"]', "('a',)", "__import__('os')", "<Object>", "?"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
edits = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([*RECORDS[0], "answer", ""]), values | st.just(...)
    ),
    min_size=1,
    max_size=3,
)
cuts = st.tuples(
    st.sampled_from(["truncate", "flip", "insert", "remove", "zero", "repeat"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=8),
)


def mutated(content: bytes, cut: tuple[str, float, bytes]) -> bytes:
    kind, place, data = cut
    at = int(place * max(0, len(content) - 1))
    return {
        "truncate": content[:at],
        "flip": content[:at] + bytes(b ^ data[0] for b in content[at : at + 1]) + content[at + 1 :],
        "insert": content[:at] + data + content[at:],
        "remove": content[:at] + content[at + len(data) :],
        "zero": content[:at] + bytes(len(data)) + content[at + len(data) :],
        "repeat": content[:at] + content[at // 2 :],
    }[kind]


def edited(changes) -> bytes:
    records = [dict(one) for one in RECORDS]
    for place, key, value in changes:
        if value is ...:
            records[place].pop(key, None)
        else:
            records[place][key] = value
    return json.dumps(records).encode()


whole_file = json.dumps(RECORDS, ensure_ascii=False).encode()
question_files = (
    edits.map(edited) | cuts.map(lambda cut: mutated(whole_file, cut)) | st.binary(max_size=50)
)


@mutations(0.6)
@given(content=question_files)
def test_question_file_is_read_into_valid_questions_or_refused(tmp_path, content):
    path = tmp_path / "avqa-train.json"
    path.write_bytes(content)
    try:
        found = parse_questions(path)
    except DataError:
        return
    for question in found.questions:
        assert question.answer in ANSWERS
        assert question.type in QUESTION_TYPES
        assert "<" not in question.text or question.values
        assert "/" not in question.video_id
    assert all(rejected.reason for rejected in found.rejected)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("fuzz") / "small").folder


@mutations(0.3)
@given(place=st.integers(0, 99), cut=cuts)
def test_dataset_is_read_or_refused(dataset, place, cut):
    files = sorted(path for path in dataset.iterdir() if path.is_file())
    path = files[place % len(files)]
    whole = path.read_bytes()
    path.write_bytes(mutated(whole, cut))
    try:
        with suppress(DataError):
            found = open_dataset(dataset)
            check_dataset(found)
            found.features(TrialConfig()).visual.sum()
            found.truth("val", segments=3)
            found.verify()
    finally:
        path.write_bytes(whole)
        shutil.rmtree(dataset / "cache", ignore_errors=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz")
    names = video_names(3)
    write_questions(root, names, per_split=3)
    write_arrays(root / "audio", names, (60, 128))
    write_arrays(root / "maps", names, (10, 8, 2, 2))
    return root


@mutations(0.1)
@given(place=st.integers(0, 99), cut=cuts, skip_bad=st.booleans())
def test_ingest_makes_a_whole_dataset_or_nothing(folders, place, cut, skip_bad):
    files = sorted(path for path in folders.rglob("*.*") if path.is_file())
    path, out = files[place % len(files)], folders / "out" / "made"
    whole = path.read_bytes()
    path.write_bytes(mutated(whole, cut))
    plan = IngestPlan(
        questions={split: folders / f"avqa-{split}.json" for split in ("train", "val", "test")},
        audio=folders / "audio",
        visual={GLOVE: folders / "maps"},
        out=out,
        name="made",
        text=TextPlan(tokens=(GLOVE,)),
        skip_bad=skip_bad,
        threads=1,
    )
    try:
        ingest(plan)
        open_dataset(out).verify()
        assert [item.name for item in out.parent.iterdir()] == ["made"]
    except DataError:
        assert not out.parent.exists() or not list(out.parent.iterdir())
    finally:
        path.write_bytes(whole)
        shutil.rmtree(out.parent, ignore_errors=True)


def test_a_mutation_changes_what_it_says():
    content = np.arange(20, dtype=np.uint8).tobytes()
    assert mutated(content, ("truncate", 0.5, b"x")) == content[:9]
    assert mutated(content, ("insert", 0.5, b"x")) == content[:9] + b"x" + content[9:]
    flipped = mutated(content, ("flip", 0.5, b"\x01"))
    assert [a ^ b for a, b in zip(content, flipped, strict=True)] == [0] * 9 + [1] + [0] * 10
