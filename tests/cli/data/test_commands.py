"""``tass-cli data``: what a person types, sees and gets when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from tass_core.data.folder.dataset import open_dataset
from tests import ROOT

VIDEOS = ["00000001", "00000002", "00000003"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Feature folders and question files in the working directory."""
    monkeypatch.chdir(tmp_path)
    source = np.random.default_rng(0)
    for name, shape in (
        ("vggish", (60, 128)),
        ("res18", (10, 512, 14, 14)),
        ("clip", (10, 50, 512)),
    ):
        (tmp_path / name).mkdir()
        for video in VIDEOS:
            np.save(tmp_path / name / f"{video}.npy", source.random(shape, dtype=np.float32))
    (tmp_path / "text").mkdir()
    for place, split in enumerate(("train", "val", "test")):
        asked = [question(10 * place + number, VIDEOS[number % 3]) for number in range(6)]
        (tmp_path / f"avqa-{split}.json").write_text(json.dumps(asked))
        for record in asked:
            np.save(tmp_path / "text" / f"{record['question_id']}.npy", np.ones((1, 5), "f4"))
    return tmp_path


def question(identity, video):
    return {
        "video_id": video,
        "question_id": identity,
        "type": '["Visual", "Location"]',
        "question_content": "Where is the performance？ ",
        "templ_values": "[]",
        "question_deleted": 0,
        "anser": "outdoor",
    }


@pytest.fixture
def tass(monkeypatch, capsys):
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tass-cli", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        printed = capsys.readouterr()
        return code or 0, printed.out, printed.err

    return run


QUESTIONS = ("--questions", "avqa-train.json", "avqa-val.json", "avqa-test.json")
INGEST = (
    "data",
    "ingest",
    *QUESTIONS,
    "--audio",
    "vggish",
    "--visual",
    "res18",
    "--output",
    "made",
)


def test_ingest_takes_several_files_after_one_option_and_says_what_it_saw(folder, tass):
    code, out, err = tass(*INGEST)
    assert code == 0
    dataset = open_dataset("made")
    assert dataset.fingerprint in out
    assert "3 videos, questions 6 train, 6 val, 6 test" in out
    assert "14x14 maps of 512 channels, axes [T,C,H,W], float32" in err
    assert "6 x full-width question marks made plain" in err
    assert dataset.base == {"model.encoder": "resnet18-glove"}


def test_make_takes_several_question_files_after_one_option(folder, tass):
    code, out, err = tass("data", "make", *QUESTIONS, "--preset", "tiny", "--output", "made")
    assert code == 0, err
    assert "6 train, 6 val, 6 test questions" in out


def test_make_refuses_an_option_that_would_be_ignored(tmp_path, tass):
    code, _out, err = tass("data", "make", "--split-fraction", 0.3, "--output", tmp_path / "made")
    assert code == 2
    assert "--split-fraction has no effect" in err


def test_two_encoders_share_a_dataset(folder, tass):
    more = ("--visual", "resnet18-glove=res18", "clip=clip", "--text", "text", "--force")
    code, _out, err = tass(*INGEST[:-4], *more, "--output", "made")
    assert code == 0, err
    dataset = open_dataset("made")
    assert set(dataset.encoders) == {"clip", "resnet18-glove"}
    assert dataset.base == {}
    code, out, _err = tass("data", "info", "made")
    assert code == 0
    assert "encoder clip: visual [3, 10, 49, 512] (7x7), sentences of width 5" in out
    assert "encoder resnet18-glove: visual [3, 10, 196, 512] (14x14), 14 tokens of" in out


def test_info_prints_figures_for_people_and_machines(folder, tass):
    tass(*INGEST)
    code, out, _err = tass("data", "info", "made")
    assert code == 0
    assert "3 videos of 60 segments, stored as mean over 6" in out
    assert "outdoor 100.0%" in out
    code, out, _err = tass("data", "info", "made", "--format", "json")
    figures = json.loads(out)
    assert figures["types"]["val"]["v_loc"] == 6
    assert figures["answers"]["outdoor"] == 18
    assert figures["fingerprint"] == open_dataset("made").fingerprint


def test_check_reports_the_split_by_question_as_a_note(folder, tass):
    tass(*INGEST)
    code, out, _err = tass("data", "check", "made")
    assert code == 0
    assert "note: 3 videos are in both train and val: this dataset is split by question" in out
    assert "warning: 3 questions of val are asked of the same video in train" in out


def test_check_finds_damage_and_empty_features_and_ends_with_one(folder, tass):
    np.save("res18/00000002.npy", np.zeros((10, 512, 14, 14), "f4"))
    tass(*INGEST)
    code, out, _err = tass("data", "check", "made")
    assert code == 0
    assert "resnet18-glove/visual: 1 rows are zero throughout (00000002)" in out
    store = Path("made/features.h5")
    content = bytearray(store.read_bytes())
    content[len(content) // 2] = content[len(content) // 2 + 1] = 0x7F
    store.write_bytes(content)
    code, out, _err = tass("data", "check", "made", "--format", "json")
    assert code == 1
    assert any(item["level"] == "error" for item in json.loads(out))


def test_skip_bad_writes_what_was_left_out(folder, tass):
    Path("vggish/00000003.npy").unlink()
    code, _out, err = tass(*INGEST)
    assert code == 2
    assert "Error: 00000003: vggish/00000003.npy: the file is missing" in err
    assert not Path("made").exists()
    code, out, _err = tass(*INGEST, "--skip-bad")
    assert code == 0
    assert "2 videos, questions 4 train" in out
    assert "vggish/00000003.npy: the file is missing" in Path("made/left-out.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*INGEST[:-4], "--visual", "clip=clip", "--output", "x"), "needs sentence features"),
        (
            (*INGEST[:-4], "--visual", "vit=clip", "--output", "x"),
            "not one of clip, resnet18-glove",
        ),
        ((*INGEST[:-4], "--visual", "nothing", "--output", "x"), "there is no .npy file"),
        ((*INGEST, "--glove", "absent.txt"), "absent.txt: cannot be read"),
        ((*INGEST, "--words", "text"), "--words is for clip"),
        ((*INGEST, "--store-t2", "3"), "--store-t2 3 does not divide the 10 segments"),
        ((*INGEST[:-2], "--output", "vggish"), "exists already"),
        ((*INGEST[:-2], "--output", "vggish", "--force"), "is no dataset"),
        ((*INGEST[:-2], "--output", "/proc/none/made"), "cannot be written|no permission"),
        (("data", "ingest", "--questions", "a.json", *INGEST[6:]), "must contain one of train"),
        (("data", "info", "nothing"), "nothing is no dataset"),
        (("data", "check", "vggish"), "has no dataset.json"),
    ],
)
def test_mistake_gives_one_message_and_exit_code_two(folder, tass, arguments, message):
    import re

    before = sorted(path.name for path in folder.iterdir())
    code, _out, err = tass(*arguments)
    assert code == 2
    assert re.search(message, err.replace("\n", " "))
    assert err.count("Error:") == 1
    assert sorted(path.name for path in folder.iterdir()) == before


MAKE = ("data", "make", "--preset", "tiny", "--output", "world")


def test_world_over_spoilt_questions_leaves_them_out_when_asked(folder, tass):
    records = json.loads(Path("avqa-val.json").read_text())
    records[2]["anser"] = "perhaps"
    Path("avqa-val.json").write_text(json.dumps(records))
    code, _out, err = tass(*MAKE, *QUESTIONS)
    assert code == 2
    assert "--skip-bad" in err
    assert not Path("world").exists()
    code, out, _err = tass(*MAKE, *QUESTIONS, "--skip-bad")
    assert code == 0
    assert "world: 6 train, 5 val, 6 test questions" in out
    assert "1 records were left out, listed in world/left-out.csv" in out
    assert "perhaps" in Path("world/left-out.csv").read_text()


def test_leaving_out_without_questions_is_refused(folder, tass):
    code, _out, err = tass(*MAKE, "--skip-bad")
    assert code == 2
    assert "--skip-bad has no effect here: it needs --questions" in err


def test_missing_weights_are_named_before_any_video_is_read(folder, tass, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "videos").mkdir()
    for video in VIDEOS:
        (folder / "videos" / f"{video}.mp4").write_bytes(b"")
    code, _out, err = tass(
        *("data", "extract", "--videos", "videos", *QUESTIONS, "--output", "made"),
        *("--weights", "weights"),
    )
    assert code == 2
    assert "RN50.pt" in err
    assert "into weights" in err
    assert not (folder / "made").exists()


def test_help_of_every_command_shows_an_example(tass):
    for command in ("make", "ingest", "extract", "info", "check"):
        code, out, _err = tass("data", command, "--help")
        assert code == 0
        assert f"tass-cli data {command}" in out


def test_interrupted_ingest_ends_without_a_traceback(folder):
    os.mkfifo(folder / "vectors.txt")
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *INGEST, "--glove", "vectors.txt"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore the signal, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with (folder / "vectors.txt").open("w"):  # opens once all videos are written and it reads
        assert [path for path in folder.iterdir() if path.name.startswith(".made")]
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in err
    assert not [path for path in folder.iterdir() if "made" in path.name]
