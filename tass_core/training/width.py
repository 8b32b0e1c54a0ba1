"""How many members to fuse: measured at a pack's start, and remembered for the next one."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from tass_core import TRAINING_VERSION
from tass_core.config import digest
from tass_core.devices import device_name, memory_at_hand, memory_limit, synchronise
from tass_core.files import user_cache
from tass_core.systems.protocol import Batch
from tass_core.training.groups import make_groups, stack_key, take_step
from tass_core.training.member import Member
from tass_core.training.rates import read_rates, write_rates

logger = logging.getLogger(__name__)

MIN_SPEEDUP = 1.05
"""What a wider stack must gain over a narrower one to be worth its memory and its rounding."""
MAX_SLOWDOWN = 0.9
"""Wider stacks are not tried after one this much slower than the best."""
NO_MEMORY = 0.0
"""The rate of a width that ran out of memory, or would have."""
STEPS, SECONDS = 3, 0.3
"""Steps timed at least at each width, and how long, after one to warm up; the fastest counts."""


def measured_width(
    make: Callable[[int], list[Member]], most: int, batch: Callable[[], Batch], device: str
) -> int:
    """Return how many members to fuse, at most ``most``, for the most steps a second.

    Training is not touched: members made for the measurement take the steps. What was
    measured is kept in ``widths.json`` of the user's cache for packs of the same device, memory
    that a pack may take, threads, shapes and code.

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
    """Return the narrowest width that no wider one beats by ``MIN_SPEEDUP``."""
    best = 1
    for width in sorted(rates):
        if rates[width] > MIN_SPEEDUP * rates[best]:
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

    A width without memory has the rate ``NO_MEMORY``: it is remembered and not tried again.

    Args:
        make: returns that many fresh members that can be stacked.
        widths: to try, ascending.
        batch: returns a batch on ``device``; asked once, when something has to be measured.
        device: where to compute.
        known: rates that need no measuring.
    """
    rates, taken, before, each = dict(known or {}), None, _peak_memory(), 0.0
    for width in widths:
        if width not in rates and width * each > memory_at_hand(device) / 2:
            rates[width] = NO_MEMORY
        if width not in rates:
            taken = taken or batch()
            rates[width] = _rate(make, width, taken, device)
            each = max(each, (_peak_memory() - before) / width) if device == "cpu" else 0.0
        if rates[width] <= MAX_SLOWDOWN * max(rates.values()):
            break
    return rates


def _rate(make: Callable[[int], list[Member]], width: int, batch: Batch, device: str) -> float:
    try:
        return _steps_per_second(make(width), batch, device)
    except torch.OutOfMemoryError:
        pass  # outside, since the error holds on to what was made
    torch.cuda.empty_cache()
    return NO_MEMORY


def _steps_per_second(members: list[Member], batch: Batch, device: str) -> float:
    (group,) = make_groups(members, len(members))
    seconds: list[float] = []
    while len(seconds) <= STEPS or sum(seconds[1:]) < SECONDS:
        synchronise(device)
        start = time.perf_counter()
        take_step(group, batch)
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    return len(members) / min(seconds[1:])


def _peak_memory() -> int:
    """Return the most bytes that this process has had; Linux tells them in kilobytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _key(member: Member, device: str) -> str:
    """Return the address of what may be compared: 16 hex digits."""
    place = (device_name(device), memory_limit(device), torch.get_num_threads(), torch.__version__)
    batch = member.config.optimiser.batch_size
    values = (*place, TRAINING_VERSION, member.shapes, batch, member.config.data)
    return digest([str(value) for value in (*values, *stack_key(member))])[:16]
