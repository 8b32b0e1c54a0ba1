"""``tass-cli import``: answers of others become a row, and a file that does not fit is refused."""

import json

from tests.cli.conftest import Shell


def test_answers_of_others_become_a_sweep(tiny, tmp_path):
    shell = Shell(tmp_path)
    asked, names = tiny.questions("test"), tiny.answers
    given = {int(n): names[a] for n, a in zip(asked.question_id, asked.answer, strict=True)}
    (tmp_path / "theirs.json").write_text(json.dumps(given))
    options = ("--as", "Theirs", "--data", str(tiny.folder))
    _, said = shell("import", "predictions", str(tmp_path / "theirs.json"), *options)
    assert "Theirs: 100.00% of 120 test questions" in said
    (tmp_path / "part.json").write_text(json.dumps(dict(list(given.items())[:7])))
    _, said = shell("import", "predictions", str(tmp_path / "part.json"), *options, code=2)
    assert "it answers 7 of 120 test questions" in said
