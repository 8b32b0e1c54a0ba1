"""The training step against the machine's matmul peak, and a demo epoch.

Run ``python benchmarks/step.py [--device cuda] [--json FILE]``. Everything is measured in one
run on random features in memory: the peak of ``torch.matmul`` first, then each step.

Useful arithmetic is counted by hand below, a multiply-add as 2 FLOP. A linear layer on R rows
from I to O costs 2 R I O forward, the same again for its weights' gradient, and the same again
for its input's gradient where something trainable lies before it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tass_core.batches import BatchSource
from tass_core.config import TrialConfig
from tass_core.data import Features, Questions, Shapes, open_dataset
from tass_core.data.world import make_world
from tass_core.training.member import Member
from tass_core.trial import Trial

QUESTIONS, SEGMENTS, WIDTH = 64, 10, 512
PUBLIC_CODE_GFLOP = 43.7
"""Arithmetic of the public conference code's step at the same shapes (torch's counter)."""


def linear(rows: int, inputs: int, outputs: int, *, input_gradient: bool = True) -> float:
    """FLOP of a linear layer's forward and backward."""
    return 2.0 * rows * inputs * outputs * (3 if input_gradient else 2)


def step_flop(regions: int, channels: int, *, projected: bool) -> float:
    """Useful FLOP of one step: B questions on B videos, negatives from the batch."""
    b, t, d = QUESTIONS, SEGMENTS, WIDTH
    frames, pairs = b * t, 2 * b * t
    total = 0.0
    if projected:  # the frozen map needs no gradient
        total += linear(frames * regions, channels, d, input_gradient=False)
    total += linear(frames, 128, d, input_gradient=False) + linear(frames, d, d)
    total += linear(b, d, d, input_gradient=False)  # the question
    # Grounding: 4 score rows (audio and target, true and mismatched) and 3 pooled rows (the
    # mean and two attended), each a product with the map. Their backward is one product for
    # the rows and, where the map is trainable, one for the map.
    total += 2.0 * frames * regions * d * (4 + 3) * (3 if projected else 2)
    total += linear(pairs, 2 * d, d)  # FC of [f_vg; f_vi]
    for inputs, outputs in ((2 * d, d), (d, d // 2), (d // 2, d // 4), (d // 4, 2)):
        total += linear(pairs, inputs, outputs)  # Eq. 7
    # A bi-directional LSTM: per step and direction, d -> 4 (d / 2) and (d / 2) -> 4 (d / 2).
    total += 2 * 2 * (linear(frames, d, 2 * d) + linear(frames, d // 2, 2 * d))
    total += 2 * linear(pairs, d, d)  # keys and values of the 2T segments
    total += 4 * linear(b, d, d)  # query, output and the feed-forward
    total += linear(b, 2 * d, d) + linear(b, d, 42)  # fusion, classifier
    return total


def random_batch_source(
    config: TrialConfig, regions: int, channels: int, videos: int
) -> tuple[BatchSource, Shapes, Features]:
    """A dataset in memory with one question on each video."""
    rng = np.random.default_rng(0)
    shapes = Shapes(
        segments=SEGMENTS,
        regions=regions,
        visual=channels,
        audio=128,
        text=WIDTH if config.model.encoder == "clip" else 0,
        words=14,
        vocabulary=93,
        answers=42,
    )
    size = (videos, SEGMENTS, regions, channels)
    visual = rng.standard_normal(size, dtype=np.float32).astype(np.float16)
    glove = config.model.encoder != "clip"
    features = Features(
        visual=visual,
        audio=rng.standard_normal((videos, SEGMENTS, 128)).astype(np.float16),
        text=None if glove else rng.standard_normal((videos, WIDTH)).astype(np.float32),
        words=None,
        word_count=rng.integers(4, 15, videos) if glove else None,
        tokens=rng.integers(1, 93, (videos, 14)) if glove else None,
        vectors=None,
    )
    rows = np.arange(videos)
    questions = Questions(
        question_id=rows,
        video=rows,
        sentence=rows,
        answer=rng.integers(0, 42, videos),
        type=rng.integers(0, 9, videos),
    )
    return BatchSource(questions, features, config), shapes, features


def synchronise(device: str) -> None:
    """Wait for the device, so that a clock reads what happened."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def best_seconds(action: Callable[[], object], device: str, repeats: int) -> float:
    """The fastest of several runs after two to warm up."""
    times = []
    for index in range(repeats + 2):
        synchronise(device)
        start = time.perf_counter()
        action()
        synchronise(device)
        if index >= 2:
            times.append(time.perf_counter() - start)
    return min(times)


def matmul_peak(device: str) -> float:
    """FLOP/s of the fastest of a few float32 products."""
    rates = []
    for rows, inner, columns in ((4096, 4096, 4096), (31360, 2048, 512), (2048, 2048, 2048)):
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        left, right = left.to(device), right.to(device)
        seconds = best_seconds(lambda a=left, b=right: a @ b, device, 5)
        rates.append(2.0 * rows * inner * columns / seconds)
    return max(rates)


def measure_step(config: TrialConfig, regions: int, channels: int, device: str) -> float:
    """Seconds of one optimiser step, the batch already in memory."""
    source, shapes, features = random_batch_source(config, regions, channels, QUESTIONS)
    member = Member(Trial(config, 0), shapes, features, device)
    member.start_epoch(1)
    batch = next(iter(source.training(0, 1))).to(device)
    return best_seconds(lambda: member.step(batch, 1, 0), device, 5)


def measure_epoch(device: str) -> dict[str, float]:
    """Questions per second of a demo epoch, and the share of its time spent on loading."""
    with tempfile.TemporaryDirectory() as folder:
        make_world("demo", Path(folder) / "demo", seed=0)
        dataset = open_dataset(Path(folder) / "demo")
        config = TrialConfig().with_values(dataset.base)
        features, questions = dataset.features(config), dataset.questions("train")
        source = BatchSource(questions, features, config)
        member = Member(Trial(config, 0), dataset.shapes(config), features, device)
        for epoch in (1, 2):
            member.start_epoch(epoch)
            synchronise(device)
            start = time.perf_counter()
            waiting, clock = 0.0, start
            for step, batch in enumerate(source.training(0, epoch)):
                waiting += time.perf_counter() - clock
                member.step(batch.to(device), epoch, step)
                clock = time.perf_counter()
            synchronise(device)
            seconds = time.perf_counter() - start
    return {"questions_per_s": len(questions) / seconds, "loader_share": waiting / seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = arguments.device
    peak = matmul_peak(device)
    clip = TrialConfig()
    glove = clip.with_values({"model.encoder": "resnet18-glove"})
    results: dict[str, object] = {
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "device": device,
        "matmul_gflops": peak / 1e9,
    }
    print(f"torch.matmul peak: {peak / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads")
    for name, config, regions, channels, projected in (
        ("clip 7x7x2048", clip, 49, 2048, True),
        ("resnet18 14x14x512", glove, 196, 512, False),
    ):
        seconds = measure_step(config, regions, channels, device)
        flop = step_flop(regions, channels, projected=projected)
        share = flop / seconds / peak
        results[name] = {"seconds": seconds, "gflop": flop / 1e9, "share_of_peak": share}
        print(
            f"{name}: {seconds:.3f} s a step, {flop / 1e9:.1f} useful GFLOP, "
            f"{flop / seconds / 1e9:.0f} GFLOP/s, {100 * share:.0f}% of the peak"
        )
        if not projected:
            public = PUBLIC_CODE_GFLOP * 1e9 / seconds / peak
            results[name] |= {"share_of_peak_public_arithmetic": public}  # type: ignore[operator]
            print(f"  against the public code's {PUBLIC_CODE_GFLOP} GFLOP: {100 * public:.0f}%")
    epoch = measure_epoch(device)
    results["demo epoch"] = epoch
    print(
        f"demo epoch: {epoch['questions_per_s']:.0f} questions/s, "
        f"loader {100 * epoch['loader_share']:.1f}% of the time"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
