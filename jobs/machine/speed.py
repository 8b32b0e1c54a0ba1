"""What a machine can do and what training does with it, measured on features in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tass_core.batches.example import example_batch
from tass_core.batches.source import BatchSource
from tass_core.config import OptimiserConfig, TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.data.folder.records import Features, Questions
from tass_core.devices import synchronise
from tass_core.randomness import noise_key
from tass_core.systems import build_network, step_losses
from tass_core.systems.matmuls import FastLinear
from tass_core.systems.protocol import TOKENS, Batch, Noise, Shapes
from tass_core.training.groups import Solo, take_step
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


def step_flop(config: TrialConfig, shapes: Shapes) -> float:
    """FLOP of a step's matrix products, forward and backward, a multiply-add as 2.

    torch counts them while the step runs on tensors without data, on a video for each question.
    """
    canonical = config.canonical()
    model: Any = canonical.model
    return _flop(config.system, model, canonical.loss, config.optimiser.batch_size, shapes)


@cache
def _flop(system: str, model: Any, loss: Any, size: int, shapes: Shapes) -> float:
    settings = OptimiserConfig(batch_size=size)
    config = TrialConfig(system, model, loss, optimiser=settings)
    batch = example_batch(config.needs(), shapes, range(size), device="meta")
    return batch_flop(config, shapes, batch)


def batch_flop(config: TrialConfig, shapes: Shapes, batch: Batch) -> float:
    """FLOP of the step on a batch, see ``step_flop``; in bfloat16 they are as many."""
    batch = batch.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)
    batch = batch.to("meta")
    with torch.device("meta"):
        network = build_network(config, shapes)
    noise = Noise(noise_key(0, 1, 0, "meta"), batch.rows)
    with FlopCounterMode(display=False) as counter:
        terms = step_losses(config, network(batch, noise), batch, "train")
        torch.stack([term.total for term in terms.values() if term.weight]).sum().backward()
    return float(counter.get_total_flops())


def product_rates(device: str, dtype: torch.dtype, *, repeats: int = 10) -> tuple[float, float]:
    """FLOP/s of the fastest of a few products, by ``torch.matmul`` and by the linear layer."""
    rates = []
    for rows, inner, columns in PRODUCTS:
        left = torch.randn(rows, inner, device=device).to(dtype)
        right = torch.randn(inner, columns, device=device).to(dtype)
        layer = FastLinear(inner, columns, device=device, dtype=dtype).requires_grad_(False)
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
        glove = config.model.encoder in TOKENS
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
        """Return members of one stack; they differ in their learning rates."""
        name = "optimiser.learning_rate"
        configs = [self.config.replace(name, 1e-4 * (1 + number)) for number in range(width)]
        return [Member(Trial(c, 0), self.shapes, self.features, device) for c in configs]

    def source(self, device: str = "cpu") -> BatchSource:
        """Return what builds its batches."""
        return BatchSource(self.questions, self.features, self.config, device=device)

    def batch(self, device: str) -> Batch:
        """Return the first batch, on the device."""
        return next(self.source(device).training(0, 1))

    def flop(self) -> float:
        """FLOP of the first batch's step."""
        return batch_flop(self.config, self.shapes, self.batch("cpu"))

    def rates(self, widths: Sequence[int], device: str) -> dict[int, float]:
        """Return member steps a second by width, the batch in the device's memory."""
        return measure_rates(
            lambda width: self.members(width, device), widths, lambda: self.batch(device), device
        )


def step_seconds(data: Data, device: str, *, repeats: int = 3) -> float:
    """Seconds of one optimiser step of one member, the batch already in memory."""
    (member,), batch = data.members(1, device), data.batch(device)
    group = Solo(member)
    return best_seconds(lambda: take_step(group, batch), device, repeats)
