"""Products in bfloat16 against float32: time and accuracy over seeds.

With ``optimiser.precision = bf16`` products take bfloat16 and add up in float32; weights, Adam
and evaluation stay in float32. Both are trained here with equal seeds. How much faster a step
of the paper's size is stands in ``benchmarks/step.py``.

Run ``python -m benchmarks.precision [--data DIR] [--seeds N] [--epochs N]``.
"""

from __future__ import annotations

from benchmarks.paired import asked, compare


def main() -> None:
    """Train with both and print them side by side."""
    with asked(__doc__) as (dataset, base, seeds):
        names = ("float32", "bf16")
        configs = {name: base.replace("optimiser.precision", name) for name in names}
        compare(dataset, configs, seeds)


if __name__ == "__main__":
    main()
