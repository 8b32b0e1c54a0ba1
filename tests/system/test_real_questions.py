"""The same commands over real MUSIC-AVQA questions."""

import json

import pytest

from tests import SHARED

pytestmark = pytest.mark.system

QUESTIONS = SHARED / "music-avqa"


@pytest.mark.skipif(
    not (QUESTIONS / "avqa-test.json").is_file(),
    reason=f"MUSIC-AVQA's question files are not at {QUESTIONS}",
)
def test_sweep_over_a_subset_of_the_real_questions(desk):
    for split in ("val", "test"):
        records = json.loads((QUESTIONS / f"avqa-{split}.json").read_text())
        (desk.folder / f"{split}.json").write_text(json.dumps(records[:400]))
    desk.run(
        *("data", "make", "--preset", "tiny", "--output", "real"),
        *("--questions", "val.json", "test.json", "--split-from", "test.json"),
    )
    small = ("--set", "model.width=16", "--epochs", "1", "--seeds", "0")

    out, said = desk.run("sweep", "tau", "--data", "real", "--tracking-uri", desk.tracking, *small)

    assert "5 trained, 0 held already, 0 failed" in said
    assert "procedural world over the real MUSIC-AVQA questions" in " ".join(out.split())
