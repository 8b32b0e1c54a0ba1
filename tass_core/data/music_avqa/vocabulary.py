"""MUSIC-AVQA's vocabulary as data: nine types, 33 templates, 42 answers, 22 instruments."""

from __future__ import annotations

from collections.abc import Mapping

QUESTION_TYPES: tuple[str, ...] = (
    "a_count",
    "a_comp",
    "v_count",
    "v_loc",
    "av_exist",
    "av_loc",
    "av_count",
    "av_comp",
    "av_temp",
)
"""The nine question types, in the order of the paper's tables."""

TYPE_NAMES: Mapping[tuple[str, str], str] = {
    ("Audio", "Counting"): "a_count",
    ("Audio", "Comparative"): "a_comp",
    ("Visual", "Counting"): "v_count",
    ("Visual", "Location"): "v_loc",
    ("Audio-Visual", "Existential"): "av_exist",
    ("Audio-Visual", "Location"): "av_loc",
    ("Audio-Visual", "Counting"): "av_count",
    ("Audio-Visual", "Comparative"): "av_comp",
    ("Audio-Visual", "Temporal"): "av_temp",
}
"""The files' scenario and question kind, and our key for the pair."""

AVERAGES: Mapping[str, tuple[str, ...]] = {
    "a_avg": ("a_count", "a_comp"),
    "v_avg": ("v_count", "v_loc"),
    "av_avg": ("av_exist", "av_loc", "av_count", "av_comp", "av_temp"),
    "all": QUESTION_TYPES,
}
"""The averages of the paper's tables and the types each is over, weighted by questions."""

INSTRUMENTS: tuple[str, ...] = (
    "accordion",
    "acoustic_guitar",
    "bagpipe",
    "banjo",
    "bassoon",
    "cello",
    "clarinet",
    "congas",
    "drum",
    "electric_bass",
    "erhu",
    "flute",
    "guzheng",
    "piano",
    "pipa",
    "saxophone",
    "suona",
    "trumpet",
    "tuba",
    "ukulele",
    "violin",
    "xylophone",
)
"""The 22 instruments."""

NUMBERS: tuple[str, ...] = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "more than ten",
)
"""The counts an answer can give; "ten" occurs in neither validation nor test."""

ANSWERS: tuple[str, ...] = (
    *("yes", "no"),
    *NUMBERS,
    *("left", "middle", "right", "simultaneously"),
    *("indoor", "outdoor"),
    *INSTRUMENTS,
)
"""The 42 answers; an answer's place here is its class."""

SLOTS: Mapping[str, tuple[str, ...]] = {
    "<Object>": INSTRUMENTS,
    "<LR>": ("left", "middle", "right"),
    "<LRer>": ("leftest", "rightest"),
    "<FL>": ("first", "last"),
    "<TH>": ("first", "second", "third", "fourth", "fifth"),
    "<LL>": ("loudest", "lowest"),
    "<BA>": ("before", "after"),
}
"""What each placeholder stands for in the real validation and test files."""

TEMPLATES: tuple[tuple[str, str], ...] = (
    ("a_count", "Is there a <Object> sound?"),
    ("a_count", "Are there <Object> and <Object> sound?"),
    ("a_count", "How many musical instruments were heard throughout the video?"),
    ("a_comp", "Is the <Object> louder than the <Object>?"),
    ("a_comp", "Is the <Object> more rhythmic than the <Object>?"),
    ("a_comp", "Is the <Object> playing longer than the <Object>?"),
    ("v_count", "Is there a <Object> in the entire video?"),
    ("v_count", "Are there <Object> and <Object> instruments in the video?"),
    ("v_count", "How many types of musical instruments appeared in the entire video?"),
    ("v_count", "How many <Object> are in the entire video?"),
    ("v_loc", "Where is the performance?"),
    ("v_loc", "What is the instrument on the <LR> of <Object>?"),
    ("v_loc", "What kind of musical instrument is it?"),
    ("v_loc", "What kind of instrument is the <LRer> instrument?"),
    ("av_exist", "Is this sound from the instrument in the video?"),
    ("av_exist", "Is the <Object> in the video always playing?"),
    ("av_exist", "Is there a voiceover?"),
    ("av_loc", "Where is the <LL> instrument?"),
    ("av_loc", "Is the <FL> sound coming from the <LR> instrument?"),
    ("av_loc", "Which is the musical instrument that sounds at the same time as the <Object>?"),
    ("av_loc", "What is the <LR> instrument of the <FL> sounding instrument?"),
    ("av_count", "How many instruments are sounding in the video?"),
    ("av_count", "How many types of musical instruments sound in the video?"),
    ("av_count", "How many instruments in the video did not sound from beginning to end?"),
    ("av_count", "How many sounding <Object> in the video?"),
    ("av_comp", "Is the instrument on the <LR> louder than the instrument on the <LR>?"),
    ("av_comp", "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?"),
    ("av_comp", "Is the <Object> on the <LR> louder than the <Object> on the <LR>?"),
    ("av_comp", "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?"),
    ("av_temp", "Where is the <FL> sounding instrument?"),
    ("av_temp", "Which <Object> makes the sound <FL>?"),
    ("av_temp", "What is the <TH> instrument that comes in?"),
    ("av_temp", "Which instrument makes sounds <BA> the <Object>?"),
)
"""The 33 templates as (type, normalised content); every template belongs to one type."""
