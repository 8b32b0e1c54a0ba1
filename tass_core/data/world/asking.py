"""Which questions are asked of which scene: type proportions and the prior of the answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from tass_core.data.music_avqa.questions import PLACEHOLDER
from tass_core.data.music_avqa.vocabulary import ANSWERS, INSTRUMENTS, NUMBERS, SLOTS, TEMPLATES
from tass_core.data.world.answers import Truth, View, find_truth

PLACES = SLOTS["<LR>"]

SHARES: Mapping[str, int] = {
    "Is there a <Object> sound?": 350,
    "Are there <Object> and <Object> sound?": 303,
    "How many musical instruments were heard throughout the video?": 364,
    "Is the <Object> louder than the <Object>?": 307,
    "Is the <Object> more rhythmic than the <Object>?": 158,
    "Is the <Object> playing longer than the <Object>?": 129,
    "Is there a <Object> in the entire video?": 269,
    "Are there <Object> and <Object> instruments in the video?": 273,
    "How many types of musical instruments appeared in the entire video?": 297,
    "How many <Object> are in the entire video?": 358,
    "Where is the performance?": 323,
    "What is the instrument on the <LR> of <Object>?": 340,
    "What kind of musical instrument is it?": 276,
    "What kind of instrument is the <LRer> instrument?": 286,
    "Is this sound from the instrument in the video?": 267,
    "Is the <Object> in the video always playing?": 288,
    "Is there a voiceover?": 433,
    "Where is the <LL> instrument?": 232,
    "Is the <FL> sound coming from the <LR> instrument?": 262,
    "Which is the musical instrument that sounds at the same time as the <Object>?": 345,
    "What is the <LR> instrument of the <FL> sounding instrument?": 81,
    "How many instruments are sounding in the video?": 275,
    "How many types of musical instruments sound in the video?": 282,
    "How many instruments in the video did not sound from beginning to end?": 281,
    "How many sounding <Object> in the video?": 427,
    "Is the instrument on the <LR> louder than the instrument on the <LR>?": 322,
    "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?": 244,
    "Is the <Object> on the <LR> louder than the <Object> on the <LR>?": 291,
    "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?": 244,
    "Where is the <FL> sounding instrument?": 185,
    "Which <Object> makes the sound <FL>?": 176,
    "What is the <TH> instrument that comes in?": 361,
    "Which instrument makes sounds <BA> the <Object>?": 100,
}
"""How often MUSIC-AVQA's updated test file (9,129 questions) asks each template."""

YES: Mapping[str, float] = {
    "Is there a <Object> sound?": 0.73,
    "Are there <Object> and <Object> sound?": 0.79,
    "Is there a <Object> in the entire video?": 0.80,
    "Are there <Object> and <Object> instruments in the video?": 0.64,
    "Is the <Object> playing longer than the <Object>?": 0.29,
    "Is this sound from the instrument in the video?": 0.88,
    "Is the <Object> in the video always playing?": 0.69,
    "Is there a voiceover?": 0.20,
    "Is the <Object> on the <LR> louder than the <Object> on the <LR>?": 0.64,
    "Is the instrument on the <LR> louder than the instrument on the <LR>?": 0.45,
    "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?": 0.41,
}
"""The same file's share of "yes", where it is not about one half."""

COUNTS: tuple[float, ...] = (8, 30, 35, 12, 6, 3, 2, 1, 1, 0.5, 0.2, 0.5)
"""Its counts from zero to more than ten, in percent, over all counting templates."""

RANKED = frozenset({"<FL>", "<TH>", "<LL>"})
"""Placeholders that rank who plays; asked only where at least two do."""

PATIENCE = 0.004
"""A template further behind its share than this takes whatever answer a scene offers."""

_TYPE_OF = {content: kind for kind, content in TEMPLATES}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a scene with its truth."""

    content: str
    """The template."""
    values: tuple[str, ...]
    truth: Truth

    @property
    def type(self) -> str:
        """One of ``QUESTION_TYPES``."""
        return _TYPE_OF[self.content]

    @property
    def text(self) -> str:
        """The question with its placeholders filled in."""
        return fill(self.content, self.values)


def fill(content: str, values: tuple[str, ...]) -> str:
    """Fill a template's placeholders."""
    words = iter(values)
    return PLACEHOLDER.sub(lambda _match: next(words), content)


class Interviewer:
    """Chooses the questions of one split, keeping its templates and answers in proportion.

    Args:
        rng: the source of every choice.
        answer_bias: how far each template's answers follow MUSIC-AVQA's prior (1) rather than
            being as even as the scenes allow (0).
    """

    def __init__(self, rng: np.random.Generator, answer_bias: float) -> None:
        self._rng = rng
        self._bias = answer_bias
        self._templates: Counter[str] = Counter()
        self._answers: dict[str, Counter[str]] = defaultdict(Counter)

    def ask(self, view: View, count: int) -> list[Asked]:
        """Ask up to ``count`` different questions of one scene."""
        asked: list[Asked] = []
        behind = self._behind()
        for content in sorted(behind, key=lambda content: -behind[content]):
            if len(asked) == count:
                break
            question = self._choose(view, content, choosy=behind[content] < PATIENCE)
            if question is not None:
                asked.append(question)
        return asked

    def _behind(self) -> dict[str, float]:
        """Return how far each template is behind its share of the questions, with some chance."""
        total = sum(self._templates.values()) + 1
        scale = sum(SHARES.values())
        chance = self._rng.gumbel(size=len(SHARES)) * 0.004
        return {
            content: share / scale - self._templates[content] / total + luck
            for (content, share), luck in zip(SHARES.items(), chance, strict=True)
        }

    def _choose(self, view: View, content: str, *, choosy: bool) -> Asked | None:
        """Return a question of a template; a choosy one waits for a scene with a rarer answer."""
        found: dict[str, list[Asked]] = defaultdict(list)
        for values in candidates(self._rng, view, content):
            truth = find_truth(view, content, values)
            if truth is not None:
                found[truth.answer].append(Asked(content, values, truth))
        if not found:
            return None
        missing = self._missing(content, list(found))
        answer = max(missing, key=lambda answer: missing[answer])
        if choosy and missing[answer] < 0:
            return None
        self._templates[content] += 1
        self._answers[content][answer] += 1
        choices = found[answer]
        return choices[int(self._rng.integers(len(choices)))]

    def _missing(self, content: str, possible: list[str]) -> dict[str, float]:
        """Return how far each possible answer is behind its share of the template's."""
        asked = self._answers[content]
        total = sum(asked.values()) + 1
        wanted = wanted_shares(content, self._bias)
        return {answer: wanted[answer] - asked[answer] / total for answer in possible}


def wanted_shares(content: str, answer_bias: float) -> Mapping[str, float]:
    """Return the share of its questions each answer of a template should have."""
    prior = _prior(content)
    even = {answer: 1 / len(prior) for answer in prior}
    total = sum(prior.values())
    return {
        answer: (1 - answer_bias) * even[answer] + answer_bias * prior[answer] / total
        for answer in prior
    }


def candidates(rng: np.random.Generator, view: View, content: str) -> Iterator[tuple[str, ...]]:
    """Yield ways to fill a template that may make sense in a scene."""
    slots = PLACEHOLDER.findall(content)
    if RANKED & set(slots) and len(view.played) < 2:
        return
    objects = slots.count("<Object>")
    names = _names(rng, view, objects)
    for chosen in names:
        yield from _with_rest(rng, slots, chosen)


def _names(rng: np.random.Generator, view: View, objects: int) -> list[tuple[str, ...]]:
    present = list(dict.fromkeys(source.instrument for source in view.all))
    if objects == 0:
        return [()]
    absent = [name for name in INSTRUMENTS if name not in present]
    lookalikes = [str(name) for name in rng.choice(absent, size=2, replace=False)]
    if objects == 1:
        return [(name,) for name in present + lookalikes]
    return list(permutations(present + lookalikes[:1], 2))


def _with_rest(
    rng: np.random.Generator, slots: list[str], names: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Fill the other placeholders in every way; two sides are mostly left and right."""
    rest = [slot for slot in slots if slot != "<Object>"]
    options: list[tuple[str, ...]]
    if rest.count("<LR>") == 2:
        sides = PLACES if rng.random() < 0.15 else ("left", "right")
        options = list(permutations(sides, 2))
    else:
        options = [()]
        for slot in rest:
            options = [(*option, value) for option in options for value in SLOTS[slot]]
    for option in options:
        objects, others = iter(names), iter(option)
        yield tuple(next(objects if slot == "<Object>" else others) for slot in slots)


def _prior(content: str) -> dict[str, float]:
    if content.startswith("How many"):
        return dict(zip(NUMBERS, COUNTS, strict=True))
    if content.startswith(("Is ", "Are ")):
        yes = YES.get(content, 0.5)
        return {"yes": yes, "no": 1 - yes}
    if content == "Where is the performance?":
        return {"indoor": 0.73, "outdoor": 0.27}
    if content == "Which <Object> makes the sound <FL>?":
        return {"simultaneously": 0.78, "left": 0.07, "middle": 0.05, "right": 0.10}
    if content.startswith("Where"):
        return {"left": 0.39, "middle": 0.25, "right": 0.36}
    return {name: 1.0 for name in ANSWERS if name in INSTRUMENTS}
