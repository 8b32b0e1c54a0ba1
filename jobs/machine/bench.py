"""What this machine does with the trainer: measured, kept as JSON, and read by plans."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from jobs.machine.allocator import keep_memory
from jobs.machine.layouts import Layout, best_layout, load_data, machine_memory, measure_layouts
from jobs.machine.speed import (
    CONFERENCE,
    PAPER,
    Data,
    memory_bandwidth,
    product_rates,
    step_flop,
)
from search_spaces.load import load
from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.devices import device_name
from tass_core.errors import ConfigError
from tass_core.files import write_atomically
from tass_core.systems.protocol import TOKENS, Shapes
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult
from tass_core.training.width import best_width
from tass_core.trial import Trial

Say = Callable[[str], None]

FORMAT = 2
PAPER_QUESTIONS = {"train": 31_927, "val": 4_568}
PAPER_SEEDS, PAPER_SEGMENTS = 5, 60
EVALUATION = 1 / 3
"""A question's cost in evaluation against training: forward alone."""


@dataclass(frozen=True, slots=True)
class Step:
    """An optimiser step at certain shapes."""

    name: str
    flop: float
    """Useful FLOP, see ``jobs.machine.speed``."""
    rates: Mapping[int, float]
    """Members fused -> member steps a second, of one pack that has the machine to itself."""
    layouts: tuple[Layout, ...]
    """What several packs at once reach."""

    @property
    def flops(self) -> float:
        """Useful FLOP/s of the best width."""
        return self.flop * self.rates[self.width]

    @property
    def width(self) -> int:
        """The width that ``--fuse auto`` takes."""
        return best_width(self.rates)

    @property
    def layout(self) -> Layout:
        """The layout that sweeps take on the machine that was measured."""
        return best_layout(self.layouts, machine_memory())

    def member_rate(self, packs: int) -> float:
        """Return the member steps a second of one of ``packs`` packs that run at once."""
        measured = {layout.packs: layout.rate / layout.packs for layout in self.layouts}
        return max(measured.get(packs, 0.0), self.rates[self.width] / packs)


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured, on one device with one number of threads."""

    device: str
    cores: int
    threads: int
    """Of a pack that has the machine to itself."""
    torch: str
    at: float
    """Seconds since 1970."""
    precision: str
    """Of products: ``float32`` or ``bf16``."""
    matmul_flops: float
    """FLOP/s of the fastest plain product of the same run and precision."""
    bandwidth: float
    """Bytes a second of a copy, read and written, of the same run."""
    steps: tuple[Step, ...]
    dataset: str
    epoch_seconds: float
    """An epoch of the dataset's full model, its validation included."""
    epochs: int
    """Epochs of one of the dataset's trials."""
    process_seconds: float
    """From a new process to a training pack: imports."""
    pack_seconds: float
    """What precedes a pack's first step: one member's weights, and a batch."""
    training_version: int = TRAINING_VERSION
    format: int = FORMAT

    def nearest(self, config: TrialConfig, shapes: Shapes) -> Step:
        """Return the step whose arithmetic is nearest: smaller steps reach less."""
        flop = step_flop(config, shapes)
        return min(self.steps, key=lambda step: abs(math.log(step.flop / flop)))

    def pace(
        self, config: TrialConfig, shapes: Shapes, train: int, val: int, packs: int = 1
    ) -> float:
        """Return the seconds of a trial's epoch, from the useful FLOP of its questions.

        Args:
            config: the trial's.
            shapes: of its features.
            train: questions to train on.
            val: questions to validate on.
            packs: that run at once.
        """
        nearest = self.nearest(config, shapes)
        rate = nearest.member_rate(packs) * nearest.flop / step_flop(config, shapes)
        return (train + EVALUATION * val) / config.optimiser.batch_size / rate

    def trials_per_hour(self, name: str, width: int) -> float | None:
        """Return the trials an hour of one of the steps, or None for a width not measured.

        The dataset's own epochs count for its step, the paper's for the others.
        """
        (step,) = (step for step in self.steps if step.name == name)
        if width not in step.rates:
            return None
        if name == self.dataset:
            epochs, solo = self.epochs, self.epoch_seconds
        else:
            paper = TrialConfig().optimiser
            questions = PAPER_QUESTIONS["train"] + EVALUATION * PAPER_QUESTIONS["val"]
            epochs, solo = paper.epochs, questions / paper.batch_size / step.rates[1]
        return 3600 * step.rates[width] / step.rates[1] / (epochs * solo)

    def trials_per_hour_together(self, step: Step, layout: Layout) -> float:
        """Return the trials an hour of several packs at once, no members fused."""
        alone = self.trials_per_hour(step.name, 1)
        assert alone is not None
        return alone * layout.rate / step.rates[1]

    def ablations_seconds(self) -> tuple[int, float]:
        """Return trials and seconds of ``sweep ablations`` at the paper's size and seeds.

        As many packs at once as the full model's best layout has; no pruning.
        """
        variants: dict[str, TrialConfig] = {}
        for table in load("ablations").tables:
            for row in table.rows:
                if row.set is not None:
                    config = TrialConfig().with_values(row.set).canonical()
                    variants[config.hash()] = config
        seconds, packs = 0.0, self.nearest(TrialConfig(), PAPER).layout.packs
        for config in variants.values():
            shapes, (train, val) = paper_shapes(config), PAPER_QUESTIONS.values()
            pace = self.pace(config, shapes, train, val, packs)
            seconds += pace * config.optimiser.epochs * PAPER_SEEDS / packs
        return len(variants) * PAPER_SEEDS, seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the schema that docs/speed.md describes."""
        trials, seconds = self.ablations_seconds()
        described = asdict(self) | {
            "epochs_per_minute": 60 / self.epoch_seconds,
            "ablations_at_paper_size": {"trials": trials, "seconds": seconds},
        }
        for step, entry in zip(self.steps, described["steps"], strict=True):
            entry["share_of_peak"] = step.flops / self.matmul_flops
            entry["width"] = step.width
            entry["packs"] = step.layout.packs
            entry["trials_per_hour"] = {
                width: self.trials_per_hour(step.name, width) for width in step.rates
            }
        return described

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Bench:
        """Build from what ``to_dict`` returned."""
        names = cls.__dataclass_fields__
        steps = tuple(
            Step(
                s["name"],
                s["flop"],
                {int(width): rate for width, rate in s["rates"].items()},
                tuple(Layout(**layout) for layout in s["layouts"]),
            )
            for s in values["steps"]
        )
        return cls(**{n: v for n, v in values.items() if n in names} | {"steps": steps})


def paper_shapes(config: TrialConfig) -> Shapes:
    """Return the shapes of the paper's features as a config pools them."""
    known = CONFERENCE if config.model.encoder in TOKENS else PAPER
    described = asdict(known) | {"segments": PAPER_SEGMENTS // config.data.t2}
    return Shapes(**described)


def measure(
    dataset: Dataset, config: TrialConfig, device: str, widths: Sequence[int], say: Say
) -> Bench:
    """Measure this machine; a minute or two on a small one.

    Args:
        dataset: its shapes and one epoch of it are measured, beside the paper's shapes.
        config: the dataset's full model.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        widths: members to fuse, ascending; at the paper's shapes at most two on a CPU.
        say: told what is measured next.
    """
    keep_memory()
    say("the machine")
    cores, precision = os.cpu_count() or 1, config.optimiser.precision
    peak = max(product_rates(device, torch.bfloat16 if precision == "bf16" else torch.float32))
    bandwidth = memory_bandwidth(device)
    paper = TrialConfig().replace("optimiser.precision", precision)
    wide = [width for width in widths if device != "cpu" or width <= 2]
    glove = paper.replace("model.encoder", "resnet18-glove")
    steps = []
    for name, chosen, shapes, tried in (
        (dataset.name, config, dataset.folder, widths),
        ("paper, CLIP 7x7x2048", paper, PAPER, wide),
        ("paper, ResNet-18 14x14x512", glove, CONFERENCE, wide),
    ):
        say(f"steps: {name}")
        data = load_data(chosen, shapes)
        flop, rates = data.flop(), data.rates(tried, device)
        del data
        say(f"packs at once: {name}")
        layouts = measure_layouts(chosen, shapes, device, rates[1])
        steps.append(Step(name, flop, rates, tuple(layouts)))
    say("a pack")
    pack_seconds, epoch_seconds = _measure_pack(dataset, config, device)
    return Bench(
        device=device_name(device),
        cores=cores,
        precision=precision,
        threads=torch.get_num_threads(),
        torch=str(torch.__version__),
        at=time.time(),
        matmul_flops=peak,
        bandwidth=bandwidth,
        steps=tuple(steps),
        dataset=dataset.name,
        epoch_seconds=epoch_seconds,
        epochs=config.optimiser.epochs,
        process_seconds=_measure_process(),
        pack_seconds=pack_seconds,
    )


def _measure_pack(dataset: Dataset, config: TrialConfig, device: str) -> tuple[float, float]:
    """Return the seconds that precede a pack's first step, and those of an epoch."""
    data = Data.of(dataset, config)  # pooled once for all packs, whoever comes first
    start = time.perf_counter()
    data.members(1, device)
    data.batch(device)
    pack = time.perf_counter() - start
    with tempfile.TemporaryDirectory(prefix="tass-bench-") as folder:
        longer = config.replace("optimiser.epochs", 3)
        events = train_pack([Trial(longer, 0)], dataset, folder=Path(folder), device=device)
        ends = []
        for event in events:
            if isinstance(event, EpochResult):
                ends.append(time.perf_counter())
            if len(ends) == 2:
                break
    return pack, ends[1] - ends[0]


def _measure_process() -> float:
    command = [sys.executable, "-c", "import jobs.worker.train"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    return time.perf_counter() - start


def write_bench(path: Path, bench: Bench) -> None:
    """Write what was measured as JSON.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial:
            partial.write_text(json.dumps(bench.to_dict(), indent=2) + "\n")
    except OSError as error:
        raise ConfigError(
            f"--output {path}: cannot be written ({error.strerror}); choose another path"
        ) from None
