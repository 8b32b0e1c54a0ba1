"""Measured figures, each beside the bound that it has to keep."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One figure that was measured."""

    check: int
    what: str
    where: str
    value: float
    bound: str
    kept: bool


@dataclass
class Report:
    """What was measured."""

    figures: list[Figure] = field(default_factory=list)

    def most(self, check: int, what: str, value: float, bound: float, where: str = "") -> None:
        """Add a figure that must not exceed a bound."""
        self._add(Figure(check, what, where, value, f"<= {bound:.4g}", bool(value <= bound)))

    def least(self, check: int, what: str, value: float, bound: float, where: str = "") -> None:
        """Add a figure that must reach a bound."""
        self._add(Figure(check, what, where, value, f">= {bound:.4g}", bool(value >= bound)))

    def within(
        self, check: int, what: str, value: float, low: float, high: float, where: str = ""
    ) -> None:
        """Add a figure that must lie in a range."""
        kept = bool(low <= value <= high)
        self._add(Figure(check, what, where, value, f"{low:.4g} to {high:.4g}", kept))

    def _add(self, figure: Figure) -> None:
        self.figures.append(figure)
        if not figure.kept:
            print(f"not kept: {figure}", file=sys.stderr, flush=True)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yield one line for each kind of figure: its range over regimes and seeds."""
        kinds = dict.fromkeys((figure.check, figure.what) for figure in self.figures)
        for check, what in kinds:
            found = [it for it in self.figures if (it.check, it.what) == (check, what)]
            values = sorted(it.value for it in found)
            measured = " to ".join(dict.fromkeys(f"{values[place]:.4g}" for place in (0, -1)))
            bounds = ", ".join(dict.fromkeys(it.bound for it in found))
            kept = sum(it.kept for it in found)
            yield f"{check}. {what}", measured, bounds, f"{kept} of {len(found)}"
