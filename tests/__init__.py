"""The tests mirror the packages; ``system`` starts real processes, servers and clusters."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
SHARED = ROOT.parent / "shared"
"""The paper and the real questions, where a checkout has them beside it."""
