"""The 33 templates: how often each is asked, what its answers are like, and who answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tass_core.data.music_avqa import vocabulary
from tass_core.data.music_avqa.questions import PLACEHOLDER
from tass_core.data.world.listening import Rule
from tass_core.data.world.rules import comparing, counting, entering, presence, standing

_TYPES = {content: kind for kind, content in vocabulary.TEMPLATES}


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One template of MUSIC-AVQA, as the world asks it."""

    content: str
    """The sentence with its placeholders, as in MUSIC-AVQA's vocabulary."""
    share: int
    """How often MUSIC-AVQA's updated test file (9,129 questions) asks it."""
    prior: Mapping[str, float]
    """The weight of each answer, in that file's proportions."""
    rule: Rule
    """Returns the true answer in a scene, or None where the scene does not settle it."""

    @property
    def type(self) -> str:
        """One of ``QUESTION_TYPES``."""
        return _TYPES[self.content]

    @property
    def slots(self) -> list[str]:
        """The placeholders, in order."""
        return PLACEHOLDER.findall(self.content)


def _yes(share: float) -> Mapping[str, float]:
    return {"yes": share, "no": 1 - share}


_EVEN = _yes(0.5)
_COUNT_SHARES = (8, 30, 35, 12, 6, 3, 2, 1, 1, 0.5, 0.2, 0.5)
_COUNTS = dict(zip(vocabulary.NUMBERS, _COUNT_SHARES, strict=True))
"""Over all counting templates, in percent."""
_INSTRUMENTS = dict.fromkeys(vocabulary.INSTRUMENTS, 1.0)
_PLACES = {"indoor": 0.73, "outdoor": 0.27}
_SIDES = {"left": 0.39, "middle": 0.25, "right": 0.36}
_SIDES_OF_ONE_KIND = {"simultaneously": 0.78, "left": 0.07, "middle": 0.05, "right": 0.10}

TEMPLATES: tuple[Template, ...] = (
    Template("Is there a <Object> sound?",
             350, _yes(0.73), presence.heard),
    Template("Are there <Object> and <Object> sound?",
             303, _yes(0.79), presence.heard),
    Template("How many musical instruments were heard throughout the video?",
             364, _COUNTS, counting.heard),
    Template("Is the <Object> louder than the <Object>?",
             307, _EVEN, comparing.louder),
    Template("Is the <Object> more rhythmic than the <Object>?",
             158, _EVEN, comparing.more_rhythmic),
    Template("Is the <Object> playing longer than the <Object>?",
             129, _yes(0.29), comparing.longer),
    Template("Is there a <Object> in the entire video?",
             269, _yes(0.80), presence.seen),
    Template("Are there <Object> and <Object> instruments in the video?",
             273, _yes(0.64), presence.seen),
    Template("How many types of musical instruments appeared in the entire video?",
             297, _COUNTS, counting.seen_kinds),
    Template("How many <Object> are in the entire video?",
             358, _COUNTS, counting.seen_of),
    Template("Where is the performance?",
             323, _PLACES, standing.place),
    Template("What is the instrument on the <LR> of <Object>?",
             340, _INSTRUMENTS, standing.neighbour),
    Template("What kind of musical instrument is it?",
             276, _INSTRUMENTS, standing.kind),
    Template("What kind of instrument is the <LRer> instrument?",
             286, _INSTRUMENTS, standing.outermost),
    Template("Is this sound from the instrument in the video?",
             267, _yes(0.88), presence.from_stage),
    Template("Is the <Object> in the video always playing?",
             288, _yes(0.69), presence.always_playing),
    Template("Is there a voiceover?",
             433, _yes(0.20), presence.voiceover),
    Template("Where is the <LL> instrument?",
             232, _SIDES, standing.loudest),
    Template("Is the <FL> sound coming from the <LR> instrument?",
             262, _EVEN, entering.from_side),
    Template("Which is the musical instrument that sounds at the same time as the <Object>?",
             345, _INSTRUMENTS, entering.same_time),
    Template("What is the <LR> instrument of the <FL> sounding instrument?",
             81, _INSTRUMENTS, entering.neighbour),
    Template("How many instruments are sounding in the video?",
             275, _COUNTS, counting.played),
    Template("How many types of musical instruments sound in the video?",
             282, _COUNTS, counting.played_kinds),
    Template("How many instruments in the video did not sound from beginning to end?",
             281, _COUNTS, counting.silent),
    Template("How many sounding <Object> in the video?",
             427, _COUNTS, counting.played_of),
    Template("Is the instrument on the <LR> louder than the instrument on the <LR>?",
             322, _yes(0.45), comparing.side_louder),
    Template("Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?",
             244, _yes(0.41), comparing.side_more_rhythmic),
    Template("Is the <Object> on the <LR> louder than the <Object> on the <LR>?",
             291, _yes(0.64), comparing.named_side_louder),
    Template("Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?",
             244, _EVEN, comparing.named_side_more_rhythmic),
    Template("Where is the <FL> sounding instrument?",
             185, _SIDES, entering.side),
    Template("Which <Object> makes the sound <FL>?",
             176, _SIDES_OF_ONE_KIND, entering.which_of),
    Template("What is the <TH> instrument that comes in?",
             361, _INSTRUMENTS, entering.ranked),
    Template("Which instrument makes sounds <BA> the <Object>?",
             100, _INSTRUMENTS, entering.next_to),
)  # fmt: skip
"""In the order of MUSIC-AVQA's types."""

_BY_CONTENT = {template.content: template for template in TEMPLATES}


def find_template(content: str) -> Template:
    """Return the template with this sentence, one of MUSIC-AVQA's 33."""
    return _BY_CONTENT[content]
