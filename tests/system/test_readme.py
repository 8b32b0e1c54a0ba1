"""What the README tells people to type does what it says, in its order."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tests import ROOT

pytestmark = pytest.mark.system

README = (ROOT / "README.md").read_text()


def commands(heading):
    """Return the tass-cli commands of a section, without prompts and comments."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\$ (tass-cli .*)$", section, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_the_commands_run_one_after_the_other(tmp_path):
    make_world("tiny", tmp_path / "data" / "demo")
    known = open_dataset(tmp_path / "data" / "demo").questions("test").question_id[0]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    typed = commands("What you type")
    assert {command[1] for command in typed} >= {"plan", "sweep", "tables", "best", "train"}
    for command in typed:
        words = [str(known) if word.isdigit() and len(word) == 6 else word for word in command[1:]]
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    assert (tmp_path / "report" / "index.html").is_file()
    assert (tmp_path / "checkpoint" / "model.safetensors").is_file()


def test_its_links_lead_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")]
    missing = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not missing
