"""The parser of MUSIC-AVQA's question files."""

import json
from collections import Counter

import pytest

from tass_core.data.music_avqa.questions import parse_questions
from tass_core.data.music_avqa.vocabulary import (
    ANSWERS,
    INSTRUMENTS,
    QUESTION_TYPES,
    SLOTS,
    TEMPLATES,
)
from tass_core.errors import DataError
from tests import SHARED

REAL = SHARED / "music-avqa"
RECORD = {
    "video_id": "00000108",
    "question_id": 10,
    "type": '["Audio", "Comparative"]',
    "question_content": "Is the <Object> louder than the <Object>?",
    "templ_values": '["guzheng", "piano"]',
    "question_deleted": 0,
    "anser": "yes",
}


@pytest.fixture
def parse(tmp_path):
    def parse(*changes):
        path = tmp_path / "avqa-some.json"
        path.write_text(json.dumps([{**RECORD, **change} for change in changes]))
        return parse_questions(path)

    return parse


def counts_by_type(found):
    counted = Counter(question.type for question in found.questions)
    return tuple(counted[name] for name in QUESTION_TYPES)


@pytest.mark.parametrize(("name", "count"), [("val", 4568), ("test", 9129)])
def test_real_file_parses_whole_with_its_own_type_counts(name, count):
    path = REAL / f"avqa-{name}.json"
    if not path.is_file():
        pytest.skip(f"the real question file {path.name} is not beside the repository")
    found = parse_questions(path)
    raw = json.loads(path.read_text())
    by_hand = Counter(record["type"] for record in raw)
    assert len(found.questions) == count
    assert not found.rejected
    assert sorted(counts_by_type(found)) == sorted(by_hand.values())
    assert found.notes["full-width question marks made plain"] == sum(
        "？" in record["question_content"] for record in raw
    )
    assert {(question.type, question.content) for question in found.questions} == set(TEMPLATES)
    assert max(len(question.text.split()) for question in found.questions) == 14


def test_real_test_file_has_the_counts_of_the_papers_tables():
    path = REAL / "avqa-test.json"
    if not path.is_file():
        pytest.skip("the real question file avqa-test.json is not beside the repository")
    expected = (1017, 594, 1197, 1225, 988, 920, 1265, 1101, 822)
    assert counts_by_type(parse_questions(path)) == expected


def test_literals_have_the_datasets_sizes():
    assert (len(QUESTION_TYPES), len(set(TEMPLATES)), len(set(ANSWERS))) == (9, 33, 42)
    assert len(INSTRUMENTS) == 22
    assert set(SLOTS["<Object>"]) <= set(ANSWERS)


def test_placeholders_are_filled_in_order(parse):
    (question,) = parse({}).questions
    assert question.text == "Is the guzheng louder than the piano?"
    assert question.type == "a_comp"


def test_quirks_are_put_right_and_counted(parse):
    found = parse(
        {"question_content": "Is the <Object> louder than the <Object>？ ", "anser": " yes "},
        {"question_id": 11, "templ_values": "['guzheng ', 'piano']"},
        {"question_id": 12, "type": ["Audio", "Comparative"]},
        {"question_id": 13, "question_deleted": 1},
        {"question_id": "14"},
        {"question_id": 14},
    )
    assert [question.question_id for question in found.questions] == [10, 11, 12, 14]
    assert len({question.content for question in found.questions}) == 1
    assert {question.answer for question in found.questions} == {"yes"}
    assert not found.rejected
    assert set(found.notes.values()) == {1}
    assert len(found.notes) == 6


def test_answer_is_read_under_its_right_spelling_too(parse):
    record = {key: value for key, value in RECORD.items() if key != "anser"}
    path = parse({}).path
    path.write_text(json.dumps([{**record, "answer": "no"}]))
    assert parse_questions(path).questions[0].answer == "no"


def test_unknown_template_is_kept_and_counted(parse):
    found = parse({"question_content": "Is <Object> near <Object>?"})
    assert len(found.questions) == 1
    assert found.notes == {"questions outside the 33 templates, kept": 1}


def test_contradicting_repeats_are_all_rejected(parse):
    found = parse({}, {"anser": "no"}, {"question_id": 11})
    assert [question.question_id for question in found.questions] == [11]
    assert [item.record for item in found.rejected] == [0, 1]
    assert "question_id repeats with different contents (records 0, 1" in found.rejected[0].reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"anser": "yess"}, "answer 'yess' is none of the 42 answers; did you mean 'yes'?"),
        ({"type": '["Audio", "Countng"]'}, "did you mean 'Audio, Counting'?"),
        ({"type": "[[1]]"}, "none of the nine types"),
        ({"type": "["}, "type = [ is not a list"),
        ({"templ_values": '["piano"]'}, "1 values for the 2 placeholders"),
        ({"templ_values": '["piano", 3]'}, "templ_values = 3 is not a text"),
        ({"question_content": None}, "question_content = None is not a text"),
        ({"question_content": "x" * 5000}, "5000 characters long"),
        ({"video_id": "../../etc/passwd"}, "not a plain file name"),
        ({"video_id": ""}, "video_id =  is not a text"),
        ({"question_id": 1.5}, "question_id = 1.5 is not a whole number"),
        ({"question_id": True}, "question_id = True is not a whole number"),
        ({"question_id": 2**70}, "is not a whole number from 0"),
        ({"anser": "\ud800"}, "half a character"),
    ],
)
def test_bad_record_is_rejected_with_file_record_and_reason(parse, change, reason):
    found = parse({"question_id": 1}, change)
    (rejected,) = found.rejected
    assert rejected.record == 1
    assert reason in rejected.reason
    assert str(rejected).startswith("avqa-some.json: record 1 (question_id")


def test_missing_key_names_the_key(parse):
    path = parse({}).path
    path.write_text(json.dumps([{k: v for k, v in RECORD.items() if k != "type"}]))
    assert "key 'type' is missing" in parse_questions(path).rejected[0].reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (json.dumps([RECORD])[:-20].encode(), "not complete JSON .* line 1.*truncated"),
        (b"", "not complete JSON"),
        (b'{"a": 1}', "a question file is a JSON list of records, not an object"),
        (b"[" * 100_000, "JSON that cannot be read|not complete JSON"),
        (b"[" + b"9" * 10_000 + b"]", "JSON that cannot be read"),
        (b"\xff\xfe[]", "not UTF-8 text at byte 0"),
    ],
)
def test_bad_file_gives_one_message_with_its_name(tmp_path, content, reason):
    path = tmp_path / "avqa-bad.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"avqa-bad.json.*{reason}|avqa-bad.json: {reason}"):
        parse_questions(path)


def test_record_that_is_no_object_is_rejected(tmp_path):
    path = tmp_path / "avqa-bad.json"
    path.write_text("[3]")
    (rejected,) = parse_questions(path).rejected
    assert "a record is a JSON object, not a int" in rejected.reason


def test_missing_file_says_what_to_give(tmp_path):
    with pytest.raises(DataError, match=r"none\.json: cannot be read .*avqa-train\.json"):
        parse_questions(tmp_path / "none.json")
