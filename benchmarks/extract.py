"""Extraction of many videos: memory against their number, throughput, and a Ray job that is killed.

    python -m benchmarks.extract --films DIR [--videos 100,2600] [--seconds 1]

``DIR`` holds video files, such as the ``videos`` of ``tass-cli data render``; as many videos as
asked for are links to them, and the encoder is ``lite``.

(a) Time and peak memory of one process, each number of videos in a process of its own.
(b) The first number of videos as a job of two Ray workers, killed when a third is done and started
    again: what was done is not done again, and the dataset is that of (a).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import begin, options
from benchmarks.ingest import peak_mib, write_questions
from jobs.extract import RayMap
from tass_core.data.extract.parts import ENDINGS, ExtractSettings
from tass_core.data.extract.pipeline import ExtractPlan, extract
from tass_core.data.folder.dataset import open_dataset

WORKERS = 2


def link(films: Path, folder: Path, videos: int) -> None:
    """Make a folder of videos and the questions about them."""
    (folder / "videos").mkdir(parents=True)
    known = [path for path in sorted(films.resolve().iterdir()) if path.suffix in ENDINGS]
    for number in range(videos):
        film = known[number % len(known)]
        (folder / "videos" / f"{number:08d}{film.suffix}").symlink_to(film)
    write_questions(folder, videos, videos)


def work(folder: Path, out: Path, workers: int, seconds: int) -> None:
    """Extract a folder's videos and print what it took."""
    plan = ExtractPlan(
        questions={split: folder / f"avqa-{split}.json" for split in ("train", "val", "test")},
        videos=folder / "videos",
        out=out,
        name="made",
        settings=ExtractSettings(encoders=("lite",), seconds=seconds),
    )
    said: list[str] = []
    began = time.perf_counter()
    extract(plan, RayMap(workers) if workers else map, say=said.append)
    took = time.perf_counter() - began
    done = [text for text in said if "done already" in text]
    print(", ".join([f"{took:.0f} s, peak {peak_mib():.0f} MiB", *done]))


def started(folder: Path, out: Path, workers: int, seconds: int) -> subprocess.Popen[str]:
    """Start ``work`` in a process of its own."""
    words = [str(folder), str(out), str(workers), str(seconds)]
    program = "import sys; from benchmarks.extract import type_in; type_in(*sys.argv[1:])"
    command = [sys.executable, "-c", program, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def type_in(folder: str, out: str, workers: str, seconds: str) -> None:
    """Call ``work`` with words of a command line."""
    work(Path(folder), Path(out), int(workers), int(seconds))


def measure(folder: Path, out: Path, workers: int, seconds: int) -> str:
    """Return what ``work`` prints."""
    process = started(folder, out, workers, seconds)
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return printed.strip().splitlines()[-1]


def kill(folder: Path, out: Path, videos: int, seconds: int) -> int:
    """Kill a job of several workers once a third is done; return how many were."""
    process = started(folder, out, WORKERS, seconds)
    parts = out.with_name(f"{out.name}.parts")
    while process.poll() is None and len(list(parts.rglob("*.npz"))) < videos // 3:
        time.sleep(0.05)
    process.kill()
    process.wait()
    return len(list(parts.rglob("*.npz")))


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--videos", default="100,2600")
    parser.add_argument("--seconds", type=int, default=1)
    given = begin(parser)
    counts = [int(count) for count in given.videos.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        for count in counts:
            folder = Path(temporary) / str(count)
            link(given.films, folder, count)
            found = measure(folder, folder / "alone", 0, given.seconds)
            print(f"(a) {count:5d} videos of {given.seconds} s: {found}", flush=True)
        folder = Path(temporary) / str(counts[0])
        done = kill(folder, folder / "killed", counts[0], given.seconds)
        print(f"(b) killed with {done} of {counts[0]} videos done", flush=True)
        print(f"    started again: {measure(folder, folder / 'killed', WORKERS, given.seconds)}")
        alone, killed = (open_dataset(folder / name) for name in ("alone", "killed"))
        print(f"    the same dataset: {'yes' if alone.fingerprint == killed.fingerprint else 'no'}")


if __name__ == "__main__":
    main()
