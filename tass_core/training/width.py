"""How many members to fuse: measured at a pack's start, and remembered for the next one."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from tass_core import TRAINING_VERSION
from tass_core.config import digest
from tass_core.errors import ConfigError
from tass_core.files import user_cache, write_atomically
from tass_core.systems.protocol import Batch
from tass_core.training.groups import make_crews, stack_key
from tass_core.training.member import Member

logger = logging.getLogger(__name__)

Fuse = int | Literal["auto", "off"]
"""How many members to fuse at most, or who decides; ``off`` is 1."""

GAIN = 1.05
"""What a wider stack must gain over a narrower one to be worth its memory and its rounding."""
SLOWER = 0.9
"""Wider stacks are not tried after one this much slower than the best."""
STEPS, SECONDS = 3, 0.3
"""Steps timed at least at each width, and how long, after one to warm up; the fastest counts."""


def parse_fuse(text: str) -> Fuse:
    """Read ``auto``, ``off`` or a number.

    Raises:
        ConfigError: the text is none of these.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if text.isascii() and text.isdigit() and int(text) >= 1:
        return int(text)
    raise ConfigError(f"fuse = '{text}' is unknown; allowed: auto, off, or a number from 1")


def check_fuse(fuse: Fuse, workers: int = 1) -> None:
    """Refuse a width that makes no sense, or that workers who share batches cannot have.

    Raises:
        ConfigError: with what is allowed instead.
    """
    if isinstance(fuse, int) and fuse < 1:
        raise ConfigError(f"fuse = {fuse} is out of range; allowed: auto, off, or 1 or more")
    if isinstance(fuse, int) and fuse > 1 and workers > 1:
        raise ConfigError(
            f"fuse = {fuse} with {workers} workers to a pack: workers that share batches train "
            "members one after another; allowed: auto or off, or one worker to a pack"
        )


def measured_width(
    make: Callable[[int], list[Member]], most: int, batch: Callable[[], Batch], device: str
) -> int:
    """Return how many members to fuse, at most ``most``, for the most steps a second.

    Training is not touched: members made for the measurement take the steps. What was
    measured is kept in ``widths.json`` of the user's cache for packs of the same device,
    threads, shapes and code.

    Args:
        make: returns that many fresh members that can be stacked.
        most: members that the pack could stack.
        batch: returns a batch on ``device`` as training has it.
        device: where to compute.
    """
    if most < 2:
        return 1
    path, key = user_cache() / "widths.json", _key(make(1)[0], device)
    known = read_rates(path).get(key, {})
    rates = measure_rates(make, widths_up_to(most), batch, device, known)
    if rates != known:
        write_rates(path, key, rates)
    width = best_width({width: rate for width, rate in rates.items() if width <= most})
    logger.info("fusing %d of %d members; member steps a second by width: %s", width, most, rates)
    return width


def widths_up_to(most: int) -> list[int]:
    """Return 1, 2, 4, ... and ``most``."""
    return sorted({most, *(2**power for power in range(most.bit_length()))})


def best_width(rates: Mapping[int, float]) -> int:
    """Return the narrowest width that no wider one beats by ``GAIN``."""
    best = 1
    for width in sorted(rates):
        if rates[width] > GAIN * rates[best]:
            best = width
    return best


def measure_rates(
    make: Callable[[int], list[Member]],
    widths: Sequence[int],
    batch: Callable[[], Batch],
    device: str,
    known: Mapping[int, float] | None = None,
) -> dict[int, float]:
    """Return member steps a second by width, until memory ends or a width is clearly slower.

    Args:
        make: returns that many fresh members that can be stacked.
        widths: to try, ascending.
        batch: returns a batch on ``device``; asked once, when something has to be measured.
        device: where to compute.
        known: rates that need no measuring.
    """
    rates, taken, memory = dict(known or {}), None, _Memory(device)
    for width in widths:
        if width not in rates:
            if not memory.fits(width):
                break
            taken, failed = taken or batch(), False
            try:
                rates[width] = _rate(make(width), taken, device)
            except torch.OutOfMemoryError:
                failed = True
            if failed:  # here, since the exception held on to what was made
                torch.cuda.empty_cache()
                break
            memory.measured(width)
        if rates[width] < SLOWER * max(rates.values()):
            break
    return rates


class _Memory:
    """Tells whether a width fits, from what the ones before it took.

    On CUDA the attempt itself tells. Elsewhere than on Linux nothing is known.
    """

    def __init__(self, device: str) -> None:
        self._known = device == "cpu" and Path("/proc/meminfo").exists()
        self._before = self._peak()
        self._each = 0.0

    def _peak(self) -> int:
        return _kilobytes("/proc/self/status", "VmHWM") if self._known else 0

    def measured(self, width: int) -> None:
        """Note what a width took at its worst."""
        self._each = max(self._each, (self._peak() - self._before) / width)

    def fits(self, width: int) -> bool:
        """Whether it would leave half of the machine's free memory alone."""
        if not self._known:
            return True
        return width * self._each < _kilobytes("/proc/meminfo", "MemAvailable") / 2


def _kilobytes(path: str, name: str) -> int:
    lines = Path(path).read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _rate(members: list[Member], batch: Batch, device: str) -> float:
    (crew,) = make_crews(members, len(members))
    seconds: list[float] = []
    while len(seconds) <= STEPS or sum(seconds[1:]) < SECONDS:
        _wait(device)
        start = time.perf_counter()
        crew.step(batch, 1, len(seconds))
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return len(members) / min(seconds[1:])


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def device_name(device: str) -> str:
    """Return what the maker calls the device."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _key(member: Member, device: str) -> str:
    """Return the address of what may be compared: 16 hex digits."""
    place = (device_name(device), torch.get_num_threads(), torch.__version__, TRAINING_VERSION)
    batch = member.config.optimiser.batch_size
    values = (*place, member.shapes, batch, member.config.data, *stack_key(member))
    return digest([str(value) for value in values])[:16]


def read_rates(path: Path) -> dict[str, dict[int, float]]:
    """Return key -> width -> member steps a second; nothing when the file says nothing."""
    try:
        saved = json.loads(path.read_text())
        return {
            str(key): {int(width): float(rate) for width, rate in rates.items()}
            for key, rates in saved.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_rates(path: Path, key: str, rates: Mapping[int, float]) -> None:
    """Add rates to the file; a folder that refuses is left be."""
    saved = {**read_rates(path), key: dict(rates)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as partial:
            partial.write_text(json.dumps(saved, indent=2))
    except OSError as error:
        logger.warning("the measured widths cannot be kept: %s", error)
