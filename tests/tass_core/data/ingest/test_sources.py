"""Question files by split, and the account of what is left out."""

import json
from pathlib import Path

import pytest

from tass_core.data.ingest.sources import Account, LeftOut, assign_splits, gather
from tass_core.errors import DataError
from tests.tass_core.data.ingest.feature_folders import video_names, write_questions


def spoil(path: Path, count: int) -> None:
    records = json.loads(path.read_text())
    for record in records[:count]:
        record["anser"] = "perhaps"
    path.write_text(json.dumps(records))


def test_unusable_records_are_summed_up_and_the_way_out_named(tmp_path):
    files = write_questions(tmp_path, video_names(2))
    spoil(files["val"], 20)
    with pytest.raises(DataError, match=r"avqa-val\.json: record 0 ") as error:
        gather(files, Account(skip_bad=False), print)
    assert "and 15 more" in str(error.value)
    assert "--skip-bad" in str(error.value)


def test_what_may_be_left_out_is_counted_and_the_rest_is_kept(tmp_path):
    files = write_questions(tmp_path, video_names(2), per_split=30)
    spoil(files["val"], 20)
    account = Account(skip_bad=True)
    sources = gather(files, account, print)
    assert len(account.items) == 20
    assert account.videos == set()
    assert [len(asked) for asked in sources.questions.values()] == [30, 10, 30]
    assert sources.videos == tuple(video_names(2))


def test_account_knows_its_videos_and_refuses_only_something():
    account = Account(skip_bad=False)
    account.add([])
    with pytest.raises(DataError, match=r"^one: it is dark\n  mend these"):
        account.add([LeftOut("video", "one", "it is dark")])
    allowed = Account(skip_bad=True)
    allowed.add([LeftOut("video", "one", "it is dark"), LeftOut("question", "two", "why")])
    assert allowed.videos == {"one"}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a.json"], "must contain one of train, val, test"),
        (["train-test.json"], "must contain one of"),
        (["a-val.json", "b-val.json"], "are both for the split 'val'"),
        (["a-test.json", "b-test-more.json"], "are both for the split 'test'"),
        (["a-test.json", "a-test-More_x.json"], "rename it, as a-test-rephrased.json"),
        ([], "no question file is given"),
    ],
)
def test_files_whose_split_cannot_be_told_are_refused(names, reason):
    with pytest.raises(DataError, match=reason):
        assign_splits(map(Path, names))


def test_further_tests_are_named_by_what_the_test_is_not():
    files = assign_splits(
        map(Path, ["x-test-unseen-pictures.json", "x-val.json", "x-test-1.json", "x-test.json"])
    )
    assert [(split, file.stem) for split, file in files.items()] == [
        ("val", "x-val"),
        ("test", "x-test"),
        ("1", "x-test-1"),
        ("unseen-pictures", "x-test-unseen-pictures"),
    ]
    assert list(assign_splits([Path("x-test-unseen.json")])) == ["test"]


def test_splits_come_in_their_own_order():
    files = assign_splits(map(Path, ["x-test.json", "x-train.json", "x-val.json"]))
    assert list(files) == ["train", "val", "test"]
