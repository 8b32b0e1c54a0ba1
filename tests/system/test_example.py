"""The example package, installed into an environment of its own and trained by name."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from tests import ROOT

pytestmark = pytest.mark.system


@pytest.fixture
def environment(tmp_path):
    """A fresh environment that sees this one's packages, with a copy of the example in it."""
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    site = next(home.glob("lib/python*/site-packages"))
    (site / "these.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    source = shutil.copytree(ROOT / "examples" / "mynet", tmp_path / "mynet")
    return home, source


def run(home, *command, **variables):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    done = subprocess.run(
        [str(home / "bin" / "python"), *map(str, command)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(home, source):
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--force-reinstall", "-q"]
    run(home, "-m", "pip", "install", *options, source)


def key(home):
    code = (
        "from tass_core.config import TrialConfig; from tass_core.trial import Trial, trial_key; "
        "print(trial_key(Trial(TrialConfig().replace('system', 'mynet'), 0), 'data'))"
    )
    return run(home, "-c", code).strip()


def test_the_example_is_installed_tested_trained_and_keyed_by_its_source(environment, tmp_path):
    home, source = environment
    install(home, source)
    run(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", source / "test_mynet.py")
    world = tmp_path / "world"
    run(home, "-m", "cli", "data", "make", "--preset", "tiny", "--output", world)
    out = tmp_path / "trained"
    options = ["--set", "system=mynet", "--set", "optimiser.epochs=1"]
    run(home, "-m", "cli", "train", "--data", world, "--output", out, *options)
    config = json.loads(next(out.rglob("config.json")).read_text())
    assert "mynet" in json.dumps(config)
    plan = run(home, "-m", "cli", "plan", source / "compare.toml", "--data", world)
    assert "MyNet" in plan or "9 trials" in plan
    before = key(home)
    module = source / "mynet.py"
    module.write_text(module.read_text().replace("= 128", "= 96"))
    install(home, source)
    assert key(home) != before
