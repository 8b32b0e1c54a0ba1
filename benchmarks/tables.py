"""What every benchmark prints: the machine, and Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from tass_core.devices import device_name


def print_machine(device: str = "cpu") -> None:
    """Print one line that says where the figures come from."""
    threads = torch.get_num_threads()
    print(f"{device_name(device)}, {threads} thread(s) a process, torch {torch.__version__}\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table; the first column is text, the others are numbers."""
    print("| " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print()
