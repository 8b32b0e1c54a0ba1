"""The page in a real browser: no console error, nothing from the network, fits a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from reports.page import build
from reports.render.templates import page_html
from tests.reports.runs import write_sweep

pytestmark = pytest.mark.system

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)

# reports what a person would see go wrong, as attributes of <html>
PROBE = """<script>
addEventListener('error', e => document.documentElement.dataset.error = e.message || 'resource',
                 true);
addEventListener('load', () => {
  const root = document.documentElement;
  root.dataset.wide = root.scrollWidth > innerWidth + 1;
  root.dataset.cut = [...document.querySelectorAll('caption span')]
    .filter(e => e.getBoundingClientRect().right > innerWidth).length;
  root.dataset.broken = [...document.images].filter(i => !i.naturalWidth).length;
  root.dataset.network = performance.getEntriesByType('resource')
    .filter(r => /^(https?|file):/.test(r.name)).length;
  root.dataset.anchors = [...document.querySelectorAll('nav a')]
    .filter(a => !document.querySelector(a.getAttribute('href'))).length;
  root.dataset.ground = getComputedStyle(document.body).backgroundColor;
  root.dataset.contrast = lowest();
});
function light(c) {
  const [r, g, b] = c.match(/[\\d.]+/g).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(e) {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)') return c;
  }
  return 'rgb(255, 255, 255)';
}
function lowest() {
  let worst = 21;
  const texts = 'h1,h2,p,li,td span,td small,th,caption,a,code,dt,dd';
  for (const e of document.querySelectorAll(texts)) {
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    worst = Math.min(worst, (a + 0.05) / (b + 0.05));
  }
  return worst.toFixed(2);
}
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    folder = tmp_path_factory.mktemp("page")
    keys = ("table2", "table3", "table5", "table7", "lambda")
    html = page_html(build(write_sweep(folder, keys=keys, seeds=(0, 1)).snapshot()))
    (folder / "index.html").write_text(html)
    (folder / "probed.html").write_text(html.replace("<style>", PROBE + "<style>", 1))
    return folder


def chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )


def probe(folder: Path, *arguments: str) -> dict[str, str]:
    """Return what the probe saw, and fail on any line in the browser's console."""
    done = chromium(
        folder,
        "--virtual-time-budget=5000",
        *arguments,
        "--dump-dom",
        (folder / "probed.html").as_uri(),
    )
    assert "CONSOLE" not in done.stderr, done.stderr
    [root] = re.findall(r"<html[^>]*>", done.stdout)[:1]
    return dict(re.findall(r'data-(\w+)="([^"]*)"', root))


def test_the_page_loads_without_errors_network_or_broken_parts(page: Path) -> None:
    seen = probe(page, "--window-size=1280,1000")
    assert "error" not in seen
    assert {name: seen[name] for name in ("broken", "network", "anchors")} == dict.fromkeys(
        ("broken", "network", "anchors"), "0"
    )


def test_text_has_contrast_in_light_and_dark(page: Path) -> None:
    light = probe(page, "--window-size=1280,1000")
    dark = probe(page, "--window-size=1280,1000", "--blink-settings=preferredColorScheme=0")
    assert light["ground"] != dark["ground"]
    assert float(light["contrast"]) >= 4.5
    assert float(dark["contrast"]) >= 4.5


def test_a_phone_scrolls_tables_but_never_the_page(page: Path) -> None:
    seen = probe(page, "--window-size=500,900")
    assert (seen["wide"], seen["cut"]) == ("false", "0")


def test_the_page_prints(page: Path) -> None:
    chromium(
        page, "--no-pdf-header-footer", "--print-to-pdf=page.pdf", (page / "index.html").as_uri()
    )
    assert (page / "page.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_is_drawn(page: Path) -> None:
    chromium(
        page, "--window-size=1280,1600", "--screenshot=page.png", (page / "index.html").as_uri()
    )
    with Image.open(page / "page.png") as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 22)
    assert colours is not None
    assert len(colours) > 50
