"""Regular fractions of a factorial over parts that are on or off.

A fraction of 2**-p keeps the rows in which each of p words (sets of parts) has an even number of
parts off. Effects whose sets of parts differ by a product of words cannot be told apart in it, so
the words are chosen such that the shortest product, the resolution, is as long as it can be: at 3
no two main effects mix, at 5 no two interactions of two parts do. Box and Hunter, Technometrics 3
(1961).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from operator import xor

RESOLUTION = 3
MOST = 8
"""Parts beyond which no fraction is looked for: the search would take long."""

Words = tuple[int, ...]
"""Each word as bits, one for each part."""


def fraction(parts: int, divisor: int) -> Iterator[tuple[bool, ...]]:
    """Yield the rows of a factorial, or of one in ``divisor``: whether each part is on.

    The row with every part on is the first.
    """
    words = _words(parts, divisor.bit_length() - 1)
    for row in itertools.product((True, False), repeat=parts):
        off = sum(1 << place for place, on in enumerate(row) if not on)
        if all((off & word).bit_count() % 2 == 0 for word in words):
            yield row


@cache
def fractions(parts: int) -> tuple[int, ...]:
    """Return the divisors for which main effects do not mix."""
    found = [1]
    while parts <= MOST and _resolution(_words(parts, len(found))) >= RESOLUTION:
        found.append(2 * found[-1])
    return tuple(found)


@cache
def _words(parts: int, count: int) -> Words:
    """Return the words of a fraction; the last parts are made of the first ones."""
    free = parts - count
    if count == 0 or free < 1:
        return ()
    made = sorted(range(3, 1 << free), key=lambda word: -word.bit_count())
    return max(
        (
            tuple(word | 1 << (free + place) for place, word in enumerate(chosen))
            for chosen in itertools.combinations(made, count)
        ),
        key=_resolution,
        default=(),
    )


def _resolution(words: Sequence[int]) -> int:
    """Return the number of parts in the shortest product of words; 0 without words."""
    products = (
        reduce(xor, chosen).bit_count()
        for size in range(1, len(words) + 1)
        for chosen in itertools.combinations(words, size)
    )
    return min(products, default=0)
