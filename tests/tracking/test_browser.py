"""What MLflow makes of what we write for its pages, in a real browser."""

import shutil
import subprocess

import pytest

from tests.tracking.stories import ORIGIN, closed, ended, opened, trial
from tracking import pages
from tracking.events import PlanGrew
from tracking.writer import Writer

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
VARIANT = {"tass.variant": "TASS", "tass.config_hash": "c"}
PLAN = {
    "sweep": "tau",
    "trials": {"k1": {}, "k2": {}},
    "tables": [{"key": "t", "rows": [{"name": "TASS", "trials": {"0": "k1", "1": "k2"}}]}],
}


@pytest.mark.system
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_sweeps_view_shows_means_over_seeds(server, storage, tmp_path):
    story = [opened()]
    for key, accuracy in (("k1", 40.0), ("k2", 45.0)):
        begun = trial(key)
        begun.tags.update(VARIANT)
        metrics = {"val/all": 50.0, "test/all": accuracy}
        answers = "packs/p/trials/k1/predictions.parquet"
        story += [begun, ended(key, metrics=metrics, weights=None, predictions=answers)]
    writer = Writer(server.url, storage)
    writer.apply(ORIGIN, [*story, PlanGrew(sweep="s1", plan=PLAN, at=105.0), closed()])

    page = look(f"{server.url}/{pages.sweep_page(writer.open('tiny'), 'tau')}", tmp_path)

    assert "tau: means over seeds" in page
    assert f"Group: {pages.group(begun.tags)}" in page
    assert "42.5" in page


def look(address, folder):
    """Return what a browser has made of a page."""
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1600,1000",
    ]
    command += [
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=60000",
        "--dump-dom",
    ]
    return subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=300, check=True
    ).stdout
