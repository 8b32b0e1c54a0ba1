"""Where a step's time goes, by ``torch.profiler``: the public recipe's step, then ours.

The recipe is that of ``benchmarks/public_recipe.py``, both at its shapes: ten segments of
14 x 14 x 512, 64 questions. The platform's step at the paper's shapes, ten segments of
7 x 7 x 2048, follows. Operators below 2% are left out.

Run ``python -m benchmarks.step_profile [--threads N]``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import GLOVE, begin, options
from benchmarks.public_recipe import SEGMENTS, SIDE, WIDTH, Recipe
from benchmarks.tables import print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, PAPER, Data
from tass_core.config import TrialConfig
from tass_core.training.groups import Solo, take_step

STEPS = 2
SMALLEST = 0.02


def recipe_step() -> Callable[[], None]:
    """Return the public recipe's step on a batch in memory."""
    data = Data.random(GLOVE, CONFERENCE)
    size = (len(data.questions), SEGMENTS, WIDTH, SIDE, SIDE)
    assert data.features.tokens is not None
    batch = {
        "audio": torch.from_numpy(data.features.audio).float(),
        "visual": torch.randn(size),
        "other": torch.randn(size),
        "tokens": torch.from_numpy(data.features.tokens),
    }
    answer = torch.from_numpy(data.questions.answer)
    network = Recipe()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)

    def step() -> None:
        optimiser.zero_grad()
        logits, true, other = network(batch)
        matched = torch.cat([torch.ones(len(true)), torch.zeros(len(other))]).long()
        loss = functional.cross_entropy(logits, answer)
        loss = loss + 0.5 * functional.cross_entropy(torch.cat([true, other]), matched)
        loss.backward()
        optimiser.step()

    return step


def our_step(data: Data) -> Callable[[], None]:
    """Return the platform's step on a batch in memory."""
    (member,), batch = data.members(1, "cpu"), data.batch("cpu")
    group = Solo(member)
    return lambda: take_step(group, batch)


def print_profile(name: str, step: Callable[[], None]) -> None:
    """Print the share of each operator's own time."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(STEPS):
            step()
    events = found.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    columns = (f"{name}: {total / STEPS / 1e3:.0f} ms a step", "ms", "share", "calls")
    rows = [
        (
            event.key,
            f"{event.self_cpu_time_total / STEPS / 1e3:.1f}",
            f"{100 * event.self_cpu_time_total / total:.0f}%",
            event.count // STEPS,
        )
        for event in sorted(events, key=lambda event: -event.self_cpu_time_total)
        if event.self_cpu_time_total >= SMALLEST * total
    ]
    print_table(columns, rows)


def main() -> None:
    """Profile the three steps."""
    begin(options(__doc__), keep=False)
    print_profile("public recipe, 14x14x512", recipe_step())
    keep_memory()
    print_profile("TASS Lab, 14x14x512", our_step(Data.random(GLOVE, CONFERENCE)))
    print_profile("TASS Lab, 7x7x2048", our_step(Data.random(TrialConfig(), PAPER)))


if __name__ == "__main__":
    main()
