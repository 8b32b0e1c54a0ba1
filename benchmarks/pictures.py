"""The pictures of the README, drawn in the folder where ``make sweep`` was typed.

Run ``python -m benchmarks.pictures [--folder DIR]`` after it: the sweep's last screen, the forest
plot of its page, and where the best variant looks for the first test question of one type.
"""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

from evidence.tables import collect
from reports.attention.draw import draw
from reports.attention.explain import examples, explain
from reports.figures import draw_forest
from tass_core.checkpoints import load_checkpoint
from tass_core.data.folder.dataset import open_dataset
from tracking.reader import Reader

IMAGES = Path(__file__).parents[1] / "docs/images"
COLUMNS, TYPE = 110, "av_loc"


def screen(folder: Path, *words: str) -> str:
    """Return what ``tass-cli`` with these words writes to a terminal, with its colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(IMAGES.parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *words],
        cwd=folder,
        env=environment,
        stdout=its,
        stderr=subprocess.DEVNULL,
    ) as typed:
        os.close(its)
        said = b""
        try:
            while found := os.read(ours, 1 << 16):
                said += found
        except OSError:  # how Linux says that the other end was closed
            pass
    if typed.returncode:
        raise SystemExit(f"tass-cli {' '.join(words)} ended with exit code {typed.returncode}")
    return said.decode().replace("\r\n", "\n")


def main() -> None:
    """Draw the pictures into docs/images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path())
    folder = parser.parse_args().folder.resolve()

    IMAGES.mkdir(exist_ok=True)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(screen(folder, "sweep", "ablations")))
    console.save_svg(str(IMAGES / "sweep.svg"), title="tass-cli sweep ablations")

    forest = draw_forest(collect(Reader(f"sqlite:///{folder / 'mlflow.db'}").snapshot()))
    if forest is not None:
        forest.figure.savefig(IMAGES / "forest.svg", metadata={"Date": None})

    dataset = open_dataset(folder / "data/demo")
    with tempfile.TemporaryDirectory() as place:
        screen(folder, "best", "ablations", "--export", f"{place}/checkpoint")
        loaded = load_checkpoint(Path(place) / "checkpoint")
        shown = draw(explain(loaded, dataset, examples(dataset)[TYPE], "test"))
        shown.savefig(IMAGES / "show.png", dpi=90)


if __name__ == "__main__":
    main()
