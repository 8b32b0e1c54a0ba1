"""Ingest against a plain copying loop, memory against the number of videos, and an epoch's reads.

    python benchmarks/ingest.py [--videos 60] [--epoch-samples 256] [--folder DIR]

(a) Throughput of ``ingest`` on TJSTG's files ([10, 512, 14, 14] float32, vggish [60, 128])
    against the loop anyone would write: ``np.load`` each file, cast, assign to an ``h5py``
    dataset. Ingest also transposes, checks every value and hashes.
(b) Peak memory of an ingest of 100 and of 1,000 videos (small maps, so that it ends).
(c) Reading a training epoch's features: TJSTG's loader opens twelve ``.npy`` files for each
    sample (sound, positive map, ten negative maps, one frame of each kept, whole arrays read);
    ours takes rows of the mapped store, and mismatched frames come from the batch. Both end in
    float32 and both are warm. A batch has 64 shuffled questions and about two to a video here,
    so some share their map; the ratio with ``--questions-per-video 1`` has no such sharing.

Every figure is of this run and this machine; only the ratios mean anything elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch

from tass_core.batches.readers import RowReader
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.records import Questions
from tass_core.data.ingest.features import IngestPlan, ingest
from tass_core.data.ingest.text import TextPlan

GLOVE = "resnet18-glove"
MAPS = (10, 512, 14, 14)
NEGATIVES = 10
BATCH = 64


def write_sources(folder: Path, videos: int, maps: tuple[int, ...], questions: int) -> None:
    """Write feature folders and question files; the maps differ in one number alone."""
    (folder / "vggish").mkdir(parents=True)
    (folder / "maps").mkdir()
    source = np.random.default_rng(0)
    array, sound = source.random(maps, dtype=np.float32), source.random((60, 128), dtype=np.float32)
    for number in range(videos):
        array.flat[0] = number % 100
        np.save(folder / "maps" / f"{number:08d}.npy", array)
        np.save(folder / "vggish" / f"{number:08d}.npy", sound)
    write_questions(folder, videos, questions)


def write_questions(folder: Path, videos: int, questions: int) -> None:
    """Write question files of as many questions a split about videos that are numbered."""
    for place, split in enumerate(("train", "val", "test")):
        asked = [
            {
                "video_id": f"{number % videos:08d}",
                "question_id": place * 10**6 + number,
                "type": '["Visual", "Location"]',
                "question_content": "Where is the performance?",
                "templ_values": "[]",
                "question_deleted": 0,
                "anser": "indoor",
            }
            for number in range(questions)
        ]
        (folder / f"avqa-{split}.json").write_text(json.dumps(asked))


def plan(folder: Path, out: Path) -> IngestPlan:
    """Return the plan that ingests such folders."""
    return IngestPlan(
        questions={split: folder / f"avqa-{split}.json" for split in ("train", "val", "test")},
        audio=folder / "vggish",
        visual={GLOVE: folder / "maps"},
        out=out,
        name="made",
        text=TextPlan(tokens=(GLOVE,)),
        force=True,
        threads=os.cpu_count() or 1,
    )


def plain_loop(folder: Path, out: Path) -> None:
    """Copy the features as a script would: load, cast, assign."""
    names = sorted(path.stem for path in (folder / "maps").glob("*.npy"))
    with h5py.File(out, "w") as store:
        visual = store.create_dataset("visual", (len(names), *MAPS), "f2")
        audio = store.create_dataset("audio", (len(names), 60, 128), "f2")
        for row, name in enumerate(names):
            visual[row] = np.load(folder / "maps" / f"{name}.npy").astype(np.float16)
            audio[row] = np.load(folder / "vggish" / f"{name}.npy").astype(np.float16)
    with out.open("rb") as file:
        os.fsync(file.fileno())  # ingest syncs before it renames


def throughput(folder: Path, videos: int) -> None:
    """Print (a), the best of three turns each, taken in alternation."""
    ours, theirs = [], []
    for _turn in range(3):
        started = time.perf_counter()
        ingest(plan(folder, folder / "made"), say=lambda _text: None)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        plain_loop(folder, folder / "plain.h5")
        theirs.append(time.perf_counter() - started)
    print(f"(a) ingest      {videos / min(ours):8.1f} videos/s")
    print(f"    plain loop  {videos / min(theirs):8.1f} videos/s")
    print(f"    ratio       {min(theirs) / min(ours):8.2f}")


def memory(folder: Path) -> None:
    """Print (b), each size in a process of its own."""
    for videos in (100, 1000):
        sources = folder / f"memory-{videos}"
        write_sources(sources, videos, (10, 128, 14, 14), videos)
        command = [sys.executable, __file__, "--measure-memory", str(sources)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"(b) {videos:5d} videos: {done.stdout.strip()}")


def measure_memory(folder: Path) -> None:
    """Ingest and print by how much the peak grew over what was there before."""
    before = peak_mib()
    ingest(plan(folder, folder / "made"), say=lambda _text: None)
    after = peak_mib()
    print(f"peak {after:.0f} MiB, {after - before:.0f} MiB of it by the ingest")


def peak_mib() -> float:
    """Return this process's largest resident memory so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def public_epoch(folder: Path, videos: int, samples: int) -> float:
    """Read samples as the public loader does and return samples a second."""
    source = np.random.default_rng(1)
    names = [f"{number:08d}" for number in range(videos)]
    started = time.perf_counter()
    batch = []
    for number in range(samples):
        sound = np.load(folder / "vggish" / f"{names[number % videos]}.npy")[::6]
        positive = np.load(folder / "maps" / f"{names[number % videos]}.npy")
        negative = np.stack(
            [
                np.load(folder / "maps" / f"{names[other]}.npy")[source.integers(10)]
                for other in source.integers(0, videos, NEGATIVES)
            ]
        )
        batch.append((sound, positive, negative))
        if len(batch) == BATCH:
            for part in zip(*batch, strict=True):
                np.stack(part)
            batch = []
    return samples / (time.perf_counter() - started)


Gather = Callable[[npt.NDArray[np.int64]], object]


def store_epoch(gather: Gather, asked: Questions, samples: int) -> float:
    """Read batches of shuffled questions through ``gather`` and return samples a second."""
    order = np.random.default_rng(2).permutation(len(asked))
    gather(np.unique(asked.video[order[:BATCH]]))
    started = time.perf_counter()
    done = 0
    while done < samples:
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            gather(np.unique(asked.video[rows]))
            done += len(rows)
    return done / (time.perf_counter() - started)


def epoch(folder: Path, videos: int, samples: int) -> None:
    """Print (c), after one turn of each to warm the page cache."""
    dataset = open_dataset(folder / "made")
    features = dataset.features(TrialConfig().replace("model.encoder", GLOVE))
    maps, sound = RowReader(features.visual), RowReader(features.audio)

    def kept(rows: npt.NDArray[np.int64]) -> None:
        maps.read(rows)
        sound.read(rows)

    def fresh(rows: npt.NDArray[np.int64]) -> None:
        torch.from_numpy(features.visual[rows]).float()
        torch.from_numpy(features.audio[rows]).float()

    public_epoch(folder, videos, BATCH)
    theirs = public_epoch(folder, videos, samples)
    print(f"(c) eleven maps a sample      {theirs:8.1f} samples/s")
    for name, gather in (("kept buffers", kept), ("fresh tensors", fresh)):
        ours = store_epoch(gather, dataset.questions("train"), samples * 4)
        print(f"    our store, {name:13s}  {ours:8.1f} samples/s, ratio {ours / theirs:.1f}")


def main() -> None:
    """Run all three and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--epoch-samples", type=int, default=256)
    parser.add_argument("--questions-per-video", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; 3 GB")
    parser.add_argument("--measure-memory", type=Path, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure_memory is not None:
        measure_memory(given.measure_memory)
        return
    torch.set_num_threads(1)  # the plain ways use one thread, and so do ours
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        questions = given.videos * given.questions_per_video
        write_sources(folder, given.videos, MAPS, questions)
        throughput(folder, given.videos)
        epoch(folder, given.videos, given.epoch_samples)
        memory(folder)


if __name__ == "__main__":
    main()
