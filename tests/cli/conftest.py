"""A small finished sweep, made once, for the tests of the commands that run or read sweeps."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
from filelock import FileLock

from cli.main import main
from tass_core.data.world.make import make_world
from tests import ROOT

PLACES = (
    "MLFLOW_TRACKING_URI",
    *(f"TASS_{name}" for name in ("TRACKING_URI", "STORAGE", "DATA", "ADDRESS")),
)
"""Variables of whoever runs the tests, which must not reach the commands."""
SMALL = ("--set", "data.t2=4", "--set", "model.width=16", "--epochs", "2", "--seeds", "0,1")


class Shell:
    """Types tass-cli in a folder: in this process, which is quick, or in one of its own."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *args, code=0):
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["tass-cli", *map(str, args)])
            for name in PLACES:
                patch.delenv(name, raising=False)
            patch.setenv("TASS_CACHE", str(self.folder / "cache"))
            try:
                main()
                ended = 0
            except SystemExit as end:
                ended = end.code or 0
        assert ended == code, err.getvalue() + out.getvalue()
        return out.getvalue(), err.getvalue()

    def process(self, *args, code=0):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment["TASS_CACHE"] = str(self.folder / "cache")
        for name in PLACES:
            environment.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-m", "cli", *map(str, args)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout, done.stderr

    def sweep(self, name, *more, code=0):
        """Run a sweep that trains nothing."""
        return self("sweep", name, "--data", "world", *SMALL, *more, code=code)

    def train(self, name, *more, code=0):
        """Run a sweep that starts Ray, in a process of its own."""
        return self.process("sweep", name, "--data", "world", *SMALL, *more, code=code)


@pytest.fixture(scope="session")
def shell(tmp_path_factory):
    """A folder with a tiny world in it, for commands that leave nothing behind."""
    folder = tmp_path_factory.mktemp("shell")
    make_world("tiny", folder / "world", seed=0)
    return Shell(folder)


@pytest.fixture(scope="session")
def swept(shell, tmp_path_factory):
    """A folder after `tass-cli sweep ablations --tables 5,6` with two seeds, for reading.

    Processes of one test run share it: the first that wants it makes it.
    """
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "swept"
    found = Shell(place)
    with FileLock(f"{place}.lock"):
        if not (place / "said.json").exists():
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(shell.folder / "world", place / "world")
            said = found.train("ablations", "--tables", "5,6")
            (place / "said.json").write_text(json.dumps(said))
        found.out, found.err = json.loads((place / "said.json").read_text())
    return found


@pytest.fixture
def own(swept, tmp_path):
    """A copy of that folder, for a test that adds to it."""
    return Shell(shutil.copytree(swept.folder, tmp_path / "own"))
