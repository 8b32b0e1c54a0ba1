"""Rules: every template on scenes made by hand, answered as a listener would."""

import numpy as np
import pytest

from tass_core.data.world.listening import Listener
from tass_core.data.world.scene import Scene, Source
from tass_core.data.world.templates import TEMPLATES, find_template

SECONDS = 20


def source(instrument, x, playing=(0, SECONDS), *, level=1.0, visible=True, rhythm=0.5):
    time = np.arange(SECONDS)
    loudness = np.where((time >= playing[0]) & (time < playing[1]), level, 0).astype(np.float32)
    silence = np.zeros(SECONDS, np.float32)
    return Source(instrument, x, 3.5, 1.5, 2.0, 0.0, visible, loudness, rhythm, silence)


def settle(sources, content, *values):
    scene = Scene(tuple(sources), "indoor", (), 0, SECONDS, (7, 7))
    return find_template(content).rule(Listener(scene), *values)


DUET = (source("violin", 1.0, (0, 20), level=1.5, rhythm=0.9), source("piano", 6.0, (8, 20)))
DRUMS = (source("drum", 1.0), source("drum", 6.0))
SILENT = source("tuba", 3.5, (0, 0))
UNSEEN = source("flute", 0.0, (0, 20), visible=False)

CASES = [
    (DUET, "Is there a <Object> sound?", ("violin",), "yes"),
    ((*DUET, SILENT), "Is there a <Object> sound?", ("tuba",), "no"),
    (DUET, "Are there <Object> and <Object> sound?", ("violin", "piano"), "yes"),
    ((*DUET, SILENT), "Are there <Object> and <Object> sound?", ("violin", "tuba"), "no"),
    ((*DUET, SILENT), "Is there a <Object> in the entire video?", ("tuba",), "yes"),
    ((*DUET, UNSEEN), "Is there a <Object> in the entire video?", ("flute",), "no"),
    ((*DUET, SILENT), "Are there <Object> and <Object> instruments in the video?",
     ("violin", "tuba"), "yes"),
    ((*DUET, UNSEEN), "Are there <Object> and <Object> instruments in the video?",
     ("violin", "flute"), "no"),
    ((*DUET, UNSEEN), "How many musical instruments were heard throughout the video?", (),
     "three"),
    ((*DUET, UNSEEN), "How many instruments are sounding in the video?", (), "two"),
    ((*DUET, SILENT),
     "How many instruments in the video did not sound from beginning to end?", (), "one"),
    ((*DUET, *DRUMS, UNSEEN), "How many types of musical instruments appeared in the entire video?",
     (), "three"),
    ((*DRUMS, SILENT), "How many types of musical instruments sound in the video?", (), "one"),
    ((*DRUMS, SILENT), "How many <Object> are in the entire video?", ("drum",), "two"),
    (12 * (SILENT,), "How many <Object> are in the entire video?", ("tuba",), "more than ten"),
    ((*DRUMS, SILENT), "How many sounding <Object> in the video?", ("tuba",), "zero"),
    (DUET, "Is the <Object> louder than the <Object>?", ("piano", "violin"), "no"),
    (DUET, "Is the <Object> more rhythmic than the <Object>?", ("violin", "piano"), "yes"),
    (DUET, "Is the <Object> playing longer than the <Object>?", ("violin", "piano"), "yes"),
    (DRUMS[:1] + DUET[:1], "Is the <Object> playing longer than the <Object>?",
     ("violin", "drum"), "no"),
    (DUET, "Is the instrument on the <LR> louder than the instrument on the <LR>?",
     ("right", "left"), "no"),
    (DUET, "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?",
     ("left", "right"), "yes"),
    (DUET, "Is the <Object> on the <LR> louder than the <Object> on the <LR>?",
     ("violin", "left", "piano", "right"), "yes"),
    (DUET, "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?",
     ("piano", "right", "violin", "left"), "no"),
    (DUET, "Where is the performance?", (), "indoor"),
    (DRUMS, "What kind of musical instrument is it?", (), "drum"),
    (DUET, "What kind of instrument is the <LRer> instrument?", ("rightest",), "piano"),
    (DUET, "What kind of instrument is the <LRer> instrument?", ("leftest",), "violin"),
    (DUET, "What is the instrument on the <LR> of <Object>?", ("right", "violin"), "piano"),
    ((*DUET, SILENT), "What is the instrument on the <LR> of <Object>?", ("middle", "violin"),
     "tuba"),
    (DUET, "Where is the <LL> instrument?", ("loudest",), "left"),
    (DUET, "Where is the <LL> instrument?", ("lowest",), "right"),
    ((*DUET, UNSEEN), "Is there a voiceover?", (), "yes"),
    (DUET, "Is there a voiceover?", (), "no"),
    ((SILENT, UNSEEN), "Is this sound from the instrument in the video?", (), "no"),
    (DUET, "Is the <Object> in the video always playing?", ("piano",), "no"),
    (DUET, "Is the <Object> in the video always playing?", ("violin",), "yes"),
    (DUET, "Where is the <FL> sounding instrument?", ("first",), "left"),
    (DUET, "Is the <FL> sound coming from the <LR> instrument?", ("last", "right"), "yes"),
    (DUET, "What is the <LR> instrument of the <FL> sounding instrument?", ("right", "first"),
     "piano"),
    (DUET, "Which is the musical instrument that sounds at the same time as the <Object>?",
     ("piano",), "violin"),
    (DRUMS, "Which <Object> makes the sound <FL>?", ("drum", "first"), "simultaneously"),
    ((source("drum", 1.0, (5, 20)), source("drum", 6.0)), "Which <Object> makes the sound <FL>?",
     ("drum", "first"), "right"),
    (DUET, "What is the <TH> instrument that comes in?", ("second",), "piano"),
    (DUET, "Which instrument makes sounds <BA> the <Object>?", ("before", "piano"), "violin"),
    (DUET, "Which instrument makes sounds <BA> the <Object>?", ("after", "violin"), "piano"),
]  # fmt: skip


@pytest.mark.parametrize(("sources", "content", "values", "expected"), CASES)
def test_a_scene_gives_the_answer_a_listener_would(sources, content, values, expected):
    assert settle(sources, content, *values).answer == expected


def test_every_template_is_among_the_scenes_made_by_hand():
    assert {content for _, content, _, _ in CASES} == {item.content for item in TEMPLATES}


@pytest.mark.parametrize(
    ("sources", "content", "values"),
    [
        ((source("violin", 1.0), source("piano", 6.0)), "Where is the <FL> sounding instrument?",
         ("first",)),
        ((source("violin", 1.0), source("piano", 6.0, level=1.1)),
         "Is the <Object> louder than the <Object>?", ("piano", "violin")),
        ((source("violin", 7 / 3), source("piano", 6.0, (8, 20))),
         "Where is the <FL> sounding instrument?", ("first",)),
        ((*DUET, SILENT), "Is the <Object> louder than the <Object>?", ("tuba", "violin")),
        ((*DRUMS, *DUET), "Is the <Object> louder than the <Object>?", ("drum", "violin")),
        ((source("violin", 1.0), source("piano", 1.3)),
         "What kind of instrument is the <LRer> instrument?", ("leftest",)),
        (DUET, "What is the <TH> instrument that comes in?", ("third",)),
        (DUET, "Which instrument makes sounds <BA> the <Object>?", ("before", "violin")),
        (DUET, "What kind of musical instrument is it?", ()),
    ],
)  # fmt: skip
def test_what_a_scene_does_not_settle_has_no_answer(sources, content, values):
    assert settle(sources, content, *values) is None


def test_an_answer_rests_on_those_asked_about_and_the_seconds_that_show_it():
    longer = settle(DUET, "Is the <Object> louder than the <Object>?", "violin", "piano")
    assert set(map(id, longer.sources)) == set(map(id, DUET))
    assert longer.segments.all()
    second = settle(DUET, "What is the <TH> instrument that comes in?", "second")
    assert second.sources == (DUET[1],)
    assert np.flatnonzero(second.segments).tolist() == [8, 9]
