"""What a search found, in words."""

from __future__ import annotations

from evidence.estimates import FIRST
from evidence.searches import Answer, Confirmed, SearchVerdict
from reports.render.words import bounds, signed


def search_words(verdict: SearchVerdict) -> str:
    """Return what a search found, in a sentence for each answer."""
    if not verdict.variants and verdict.seeds:
        return "The search proposed nothing but the default config, so there is nothing to compare."
    if not verdict.tested:
        return (
            f"Not tested: a verdict needs {FIRST} seeds that the search never used, and there are "
            f"{verdict.seeds}; give --num-seeds {FIRST + 1} or more."
        )
    heads: dict[Answer, str] = {
        "better": "Beat the default config",
        "worse": "Fall behind the default config",
        "not told apart": "Not told apart from the default config",
        "untested": "Lack trials, and have no verdict",
    }
    sentences = [
        f"{head}: {'; '.join(map(_difference, found))}."
        for answer, head in heads.items()
        if (found := verdict.of(answer))
    ]
    about = f"(test accuracy in points, {verdict.seeds} seeds that the search never used)"
    return "\n".join([*sentences, about])


def _difference(variant: Confirmed) -> str:
    if variant.estimate is None:
        return variant.name
    return f"{variant.name} by {signed(variant.estimate.mean)} {bounds(variant.estimate.interval)}"
