"""What `make sweep` decides on the embedded world, beside what is true there by construction.

Run ``python -m benchmarks.truths [--folder DIR]``: it types ``tass-cli sweep ablations --yes`` in
an empty folder, or in one where it was typed before. A truth follows from the network's algebra, or
from what the world rewards and a training has to find (docs/world.md); never from an accuracy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.tables import print_machine, print_table
from evidence.claims import ClaimResult, check
from evidence.verdicts import Decision
from reports.render.words import bounds, signed
from tracking.reader import Reader


@dataclass(frozen=True, slots=True)
class Truth:
    """What must come out for a contrast of a claim, if enough is seen."""

    claim: str
    contrast: str
    decision: Decision
    source: Literal["algebra", "world"]


TRUTHS = (
    Truth("interleave", "IL over Cat", "does not hold", "algebra"),
    Truth("visual-first", "V first over A first", "does not hold", "algebra"),
    Truth("fewer-parameters", "dual over single", "holds", "algebra"),
    Truth("tau-floor", "τ = 0.005 over τ = 0.000", "holds", "algebra"),
    Truth("components", "JTG", "holds", "world"),
    Truth("modules-significant", "JTG", "holds", "world"),
    Truth("pooling-clip", "pooled over sampled", "holds", "world"),
    Truth("pooling-resnet", "pooled over sampled", "holds", "world"),
)
"""docs/world.md says why."""


def judged(results: Sequence[ClaimResult]) -> list[tuple[str, ...]]:
    """Return a line for each truth: claim, contrast, source, truth, verdict, Δ, interval, right.

    A world says which way a difference goes and not how far: one that is smaller than the margin
    contradicts no truth of it.
    """
    found = {
        (result.claim.key, it.contrast.name): it for result in results for it in result.contrasts
    }
    lines = []
    for truth in TRUTHS:
        it = found.get((truth.claim, truth.contrast))
        known = it and it.estimate
        decision: Decision = "undecided" if it is None else it.verdict.decision
        lines.append(
            (
                truth.claim,
                truth.contrast,
                truth.source,
                truth.decision,
                decision,
                "–" if known is None else signed(known.mean),
                bounds(None if known is None else known.interval),
                _judge(truth, decision),
            )
        )
    return lines


def _judge(truth: Truth, found: Decision) -> str:
    if found == "undecided":
        return "open"
    if found == truth.decision:
        return "right"
    return "small" if (truth.source, found) == ("world", "not by more than the margin") else "WRONG"


def main() -> None:
    """Run the sweep and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="tass-truths-") as empty:
        folder = given.folder or Path(empty)
        began = time.monotonic()
        command = [sys.executable, "-m", "cli", "sweep", "ablations", "--yes"]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
        minutes = (time.monotonic() - began) / 60
        report = check(Reader(f"sqlite:///{folder / 'mlflow.db'}").snapshot())
    columns = ("claim", "contrast", "from", "truth", "verdict", "Δ", "95% interval", "")
    print_table(columns, judged(report.results))
    decided = sum(result.decision != "undecided" for result in report.results)
    print(f"{minutes:.1f} minutes; {decided} of {len(report.results)} claims decided.\n")
    print(f"The last screen:\n\n```text\n{done.stdout.rstrip()}\n```")


if __name__ == "__main__":
    main()
