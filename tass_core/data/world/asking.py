"""Which questions are asked of which scene: type proportions and the prior of the answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import INSTRUMENTS, SLOTS
from tass_core.data.world.listening import Listener, Settled
from tass_core.data.world.templates import TEMPLATES, Template

RANKED = frozenset({"<FL>", "<TH>", "<LL>"})
"""Placeholders that rank who plays; asked only where at least two do."""

PATIENCE = 0.004
"""A template further behind its share than this takes whatever answer a scene offers."""

CHANCE = 0.004
"""Scale of the chance in the order in which templates are tried, as a share of the questions."""

MIDDLE = 0.15
"""How often questions about two sides ask about the middle, too."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a world and what settles it."""

    record: RawQuestion
    """As a question file would have it."""
    settled: Settled | None
    """None when the scene does not give this answer (real questions only)."""

    @property
    def target(self) -> str | None:
        """The instruments it names, or None."""
        named = [value for value in self.record.values if value in INSTRUMENTS]
        return ", ".join(named) or None


class QuestionSampler:
    """Chooses the questions of one split, keeping its templates and answers in proportion.

    Args:
        rng: the source of every choice.
        answer_bias: how far each template's answers follow MUSIC-AVQA's prior (1) rather than
            being as even as the scenes allow (0).
        instruments: those that there are.
        even: whether a template with two answers waits for the rarer one however long, so that
            neither can be guessed, and falls behind its share where the scenes seldom have it.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        answer_bias: float,
        instruments: Sequence[str] = INSTRUMENTS,
        even: bool = False,
    ) -> None:
        self._rng = rng
        self._even = even
        self._instruments = instruments
        self._wanted = {item: wanted_shares(item, answer_bias) for item in TEMPLATES}
        self._templates: Counter[Template] = Counter()
        self._answers: dict[Template, Counter[str]] = defaultdict(Counter)

    def sample(
        self, listener: Listener, count: int, *, video_id: str, first_id: int
    ) -> list[Question]:
        """Ask up to ``count`` different questions of one scene, numbered from ``first_id``."""
        questions: list[Question] = []
        behind = self._behind()
        for template in sorted(behind, key=lambda item: -behind[item]):
            if len(questions) == count:
                break
            waiting = self._even and len(template.prior) == 2
            choosy = waiting or behind[template] < PATIENCE
            found = self._choose(listener, template, choosy=choosy)
            if found is not None:
                values, settled = found
                identity = first_id + len(questions)
                record = RawQuestion(
                    video_id, identity, template.type, template.content, values, settled.answer
                )
                questions.append(Question(record, settled))
        return questions

    def _behind(self) -> dict[Template, float]:
        """Return how far each template is behind its share of the questions, with some chance."""
        total = sum(self._templates.values()) + 1
        scale = sum(template.share for template in TEMPLATES)
        chance = self._rng.gumbel(size=len(TEMPLATES)) * CHANCE
        return {
            template: template.share / scale - self._templates[template] / total + luck
            for template, luck in zip(TEMPLATES, chance, strict=True)
        }

    def _choose(
        self, listener: Listener, template: Template, *, choosy: bool
    ) -> tuple[tuple[str, ...], Settled] | None:
        """Return what fills a template; a choosy one waits for a scene with a rarer answer."""
        found: dict[str, list[tuple[tuple[str, ...], Settled]]] = defaultdict(list)
        for values in candidates(self._rng, listener, template.slots, self._instruments):
            settled = template.rule(listener, *values)
            if settled is not None:
                found[settled.answer].append((values, settled))
        if not found:
            return None
        counts = self._answers[template]
        total = sum(counts.values()) + 1
        missing = {
            answer: self._wanted[template][answer] - counts[answer] / total for answer in found
        }
        answer = max(missing, key=lambda answer: missing[answer])
        if choosy and missing[answer] < 0:
            return None
        self._templates[template] += 1
        counts[answer] += 1
        return found[answer][int(self._rng.integers(len(found[answer])))]


def wanted_shares(template: Template, answer_bias: float) -> Mapping[str, float]:
    """Return the share of its questions that each answer of a template should have."""
    total = sum(template.prior.values())
    even = 1 / len(template.prior)
    return {
        answer: (1 - answer_bias) * even + answer_bias * weight / total
        for answer, weight in template.prior.items()
    }


def candidates(
    rng: np.random.Generator, listener: Listener, slots: list[str], instruments: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Yield ways to fill placeholders that may make sense in a scene."""
    if RANKED & set(slots) and len(listener.played) < 2:
        return
    for names in _names(rng, listener, slots.count("<Object>"), instruments):
        for others in _others(rng, [slot for slot in slots if slot != "<Object>"]):
            objects, rest = iter(names), iter(others)
            yield tuple(next(objects if slot == "<Object>" else rest) for slot in slots)


def _names(
    rng: np.random.Generator, listener: Listener, objects: int, instruments: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return ways to name instruments: those of the scene, and one or two that are not there."""
    present = list(dict.fromkeys(source.instrument for source in listener.all))
    if objects == 0:
        return [()]
    absent = [name for name in instruments if name not in present]
    drawn = rng.choice(absent, size=min(2, len(absent)), replace=False)
    lookalikes = [str(name) for name in drawn]
    if objects == 1:
        return [(name,) for name in present + lookalikes]
    return list(permutations(present + lookalikes[:1], 2))


def _others(rng: np.random.Generator, slots: list[str]) -> list[tuple[str, ...]]:
    """Return every way to fill the other placeholders; two sides are mostly left and right."""
    if slots.count("<LR>") == 2:
        sides = SLOTS["<LR>"] if rng.random() < MIDDLE else ("left", "right")
        return list(permutations(sides, 2))
    return list(product(*(SLOTS[slot] for slot in slots)))
