"""What a machine can do and what training does with it, measured on features in memory.

Useful arithmetic is counted by hand, a multiply-add as 2 FLOP. A linear layer on R rows from I
to O costs 2 R I O forward, the same again for its weights' gradient, and the same again for its
input's gradient where something trainable lies before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from tass_core.batches.source import BatchSource
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.records import Features, Questions
from tass_core.devices import synchronise
from tass_core.systems.matmuls import Linear
from tass_core.systems.protocol import Batch, Shapes
from tass_core.systems.tass.network import uses_match
from tass_core.training.member import Member
from tass_core.training.width import measure_rates
from tass_core.trial import Trial

PAPER = Shapes(
    segments=10, regions=49, visual=2048, audio=128, text=512, words=14, vocabulary=93, answers=42
)
"""CLIP's 7 x 7 x 2048, ten segments."""
CONFERENCE = Shapes(
    segments=10, regions=196, visual=512, audio=128, text=0, words=14, vocabulary=93, answers=42
)
"""ResNet-18's 14 x 14 x 512, as the conference version has it."""
PRODUCTS = ((2048, 2048, 2048), (31360, 2048, 512))
"""Rows, inner and columns of the products whose fastest is called the peak."""


def linear_flop(rows: int, inputs: int, outputs: int, *, input_gradient: bool = True) -> float:
    """FLOP of a linear layer's forward and backward."""
    return 2.0 * rows * inputs * outputs * (3 if input_gradient else 2)


def step_flop(config: TrialConfig, shapes: Shapes, videos: int | None = None) -> float:
    """Useful FLOP of a step, negatives of the batch.

    Args:
        config: the trial's.
        shapes: of its features.
        videos: U, whose frames are projected once; None is a video for each question.
    """
    model = config.model
    b, t, d = config.optimiser.batch_size, shapes.segments, model.width
    projected_share = (videos or b) / b
    projected = model.encoder == "clip" or shapes.visual != d
    match = uses_match(model, config.loss)
    frames, pairs = b * t, (2 if match else 1) * b * t
    total = linear_flop(frames, shapes.audio, d, input_gradient=False) + linear_flop(frames, d, d)
    total += linear_flop(b, d, d, input_gradient=False)  # the question
    total += linear_flop(b, 2 * d, d) + linear_flop(b, d, shapes.answers)  # fusion, classifier
    maps = frames * (shapes.regions if model.spatial_grounding else 1)
    if projected:  # the frozen map needs no gradient
        layer = linear_flop(maps, shapes.visual, d, input_gradient=False)
        total += projected_share * layer
    if model.spatial_grounding:
        # Score rows (audio and target) and pooled rows (mean and attended), each a product
        # with the map. Their backward is one product for the rows and, where the map is
        # trainable, one for the map.
        rows = 4 + 3 if match else 2 + 2
        total += 2.0 * maps * d * rows * (3 if projected else 2)
        total += linear_flop(pairs, 2 * d, d)  # FC of [f_vg; f_vi]
    if match:
        for inputs, outputs in ((2 * d, d), (d, d // 2), (d // 2, d // 4), (d // 4, 2)):
            total += linear_flop(pairs, inputs, outputs)  # Eq. 7
    if model.temporal_grounding:
        # A bi-directional LSTM: in each direction d -> 4 (d / 2) and (d / 2) -> 4 (d / 2).
        total += 2 * 2 * (linear_flop(frames, d, 2 * d) + linear_flop(frames, d // 2, 2 * d))
        total += 2 * linear_flop(2 * frames, d, d)  # keys and values of the 2T segments
        total += 4 * linear_flop(b, d, d)  # query, output and the feed-forward
    return total


def product_rates(device: str, dtype: torch.dtype, *, repeats: int = 10) -> tuple[float, float]:
    """FLOP/s of the fastest of a few products, by ``torch.matmul`` and by the linear layer."""
    rates = []
    for rows, inner, columns in PRODUCTS:
        left = torch.randn(rows, inner, device=device).to(dtype)
        right = torch.randn(inner, columns, device=device).to(dtype)
        layer = Linear(inner, columns, device=device, dtype=dtype).requires_grad_(False)
        flop = 2.0 * rows * inner * columns
        rates.append(
            [
                flop / best_seconds(product, device, repeats)
                for product in (partial(torch.matmul, left, right), partial(layer, left))
            ]
        )
    matmul, linear = (max(found) for found in zip(*rates, strict=True))
    return matmul, linear


def memory_bandwidth(device: str, *, repeats: int = 3) -> float:
    """Bytes a second, read and written, of copying 256 MiB."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    seconds = best_seconds(lambda: target.copy_(source), device, repeats)
    return 2.0 * source.numel() * source.element_size() / seconds


def best_seconds(action: Callable[[], object], device: str, repeats: int) -> float:
    """Seconds of the fastest of several runs, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        synchronise(device)
        start = time.perf_counter()
        action()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])


@dataclass(frozen=True, slots=True)
class Data:
    """Questions and their features: what steps are measured on."""

    config: TrialConfig
    shapes: Shapes
    features: Features
    questions: Questions

    @classmethod
    def of(cls, dataset: Dataset, config: TrialConfig) -> Data:
        """Return a dataset's training split."""
        return cls(
            config, dataset.shapes(config), dataset.features(config), dataset.questions("train")
        )

    @classmethod
    def random(cls, config: TrialConfig, shapes: Shapes, videos: int | None = None) -> Data:
        """Return random features and as many questions, each on a video of its own.

        Args:
            config: what trains on them.
            shapes: of the features.
            videos: how many; None is one batch.
        """
        count = videos or config.optimiser.batch_size
        rng = np.random.default_rng(0)
        size = (count, shapes.segments, shapes.regions, shapes.visual)
        glove = config.model.encoder != "clip"
        features = Features(
            visual=rng.standard_normal(size, dtype=np.float32).astype(np.float16),
            audio=rng.standard_normal((count, shapes.segments, shapes.audio)).astype(np.float16),
            text=None if glove else rng.standard_normal((count, shapes.text)).astype(np.float32),
            words=None,
            word_count=rng.integers(4, shapes.words + 1, count) if glove else None,
            tokens=rng.integers(1, shapes.vocabulary, (count, shapes.words)) if glove else None,
            vectors=None,
        )
        rows = np.arange(count)
        questions = Questions(
            question_id=rows,
            video=rows,
            sentence=rows,
            answer=rng.integers(0, shapes.answers, count),
            type=rng.integers(0, 9, count),
        )
        return cls(config, shapes, features, questions)

    def members(self, width: int, device: str) -> list[Member]:
        """Return members of one stack; they differ in τ."""
        configs = [self.config.replace("model.tau", 0.001 * number) for number in range(width)]
        return [Member(Trial(c, 0), self.shapes, self.features, device) for c in configs]

    def source(self, device: str = "cpu") -> BatchSource:
        """Return what builds its batches."""
        return BatchSource(self.questions, self.features, self.config, device=device)

    def batch(self, device: str) -> Batch:
        """Return the first batch, on the device."""
        return next(self.source(device).training(0, 1))

    def flop(self) -> float:
        """Useful FLOP of the first batch's step."""
        return step_flop(self.config, self.shapes, len(self.batch("cpu").audio))

    def rates(self, widths: Sequence[int], device: str) -> dict[int, float]:
        """Return member steps a second by width, the batch in the device's memory."""
        return measure_rates(
            lambda width: self.members(width, device), widths, lambda: self.batch(device), device
        )


def step_seconds(data: Data, device: str, *, repeats: int = 3) -> float:
    """Seconds of one optimiser step of one member, the batch already in memory."""
    (member,), batch = data.members(1, device), data.batch(device)
    member.start_epoch(1)
    return best_seconds(lambda: member.step(batch, 1, 0), device, repeats)
