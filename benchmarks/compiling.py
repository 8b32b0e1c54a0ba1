"""What ``torch.compile`` of a member's network would gain on this machine, and when it would pay.

Compiling needs a C++ compiler and begins with an empty cache. A step's forward pass is compiled
for shapes that may change from batch to batch, as training's do; the steps timed are on one batch.

Run ``python -m benchmarks.compiling [--device cuda] [--threads N]``.
"""

from __future__ import annotations

import os
import tempfile
import time

from benchmarks.harness import PAPERS, begin, dataset_at, options
from benchmarks.tables import print_table
from jobs.machine.speed import Data, best_seconds
from tass_core.config import TrialConfig
from tass_core.devices import synchronise
from tass_core.training.groups import Solo, take_step


def measure(name: str, data: Data, device: str) -> tuple[str, ...]:
    """Return a row: seconds of a step, plain and compiled, and what compiling costs."""
    (member,), batch = data.members(1, device), data.batch(device)
    group = Solo(member)
    plain = best_seconds(lambda: take_step(group, batch), device, 5)
    member.model.compile(dynamic=True)
    start = time.perf_counter()
    take_step(group, batch)
    synchronise(device)
    cost = time.perf_counter() - start
    compiled = best_seconds(lambda: take_step(group, batch), device, 5)
    paid = f"{cost / (plain - compiled):,.0f}" if compiled < plain else "never"
    return name, f"{plain:.3f}", f"{compiled:.3f}", f"{plain / compiled:.2f}x", f"{cost:.0f}", paid


def main() -> None:
    """Print one row for the demo world and for each of the paper's shapes."""
    parser = options(__doc__)
    parser.add_argument("--device", default="cpu")
    device = begin(parser).device
    with tempfile.TemporaryDirectory(prefix="tass-compiling-") as cache, dataset_at(None) as demo:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        own = Data.of(demo, TrialConfig().with_values(demo.base))
        rows = [measure("demo", own, device)]
        for title, (config, shapes) in PAPERS.items():
            rows.append(measure(title, Data.random(config, shapes), device))
    columns = ("plain, s a step", "compiled", "times as fast", "compiling, s", "paid after steps")
    print_table(("shapes", *columns), rows)


if __name__ == "__main__":
    main()
