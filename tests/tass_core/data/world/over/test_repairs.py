"""Repairs: every answer of every template can be made true."""

import numpy as np
import pytest

from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import SLOTS
from tass_core.data.world.listening import Listener
from tass_core.data.world.over.invent import invent
from tass_core.data.world.templates import TEMPLATES


def fill(rng, slots):
    """Return something for each placeholder; instruments and sides do not repeat."""
    names = [str(name) for name in rng.permutation(SLOTS["<Object>"])]
    sides = [str(side) for side in rng.permutation(["left", "right"])]
    distinct = {"<Object>": names, "<LR>": sides}
    return tuple(
        distinct[slot].pop() if slot in distinct else str(rng.choice(SLOTS[slot])) for slot in slots
    )


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.content)
def test_a_scene_is_found_for_every_answer(template):
    rng = np.random.default_rng(0)
    for answer in template.prior:
        values = fill(rng, template.slots)
        if template.type != "v_loc" and answer in values:
            continue  # an instrument does not sound at the same time as itself
        asked = RawQuestion("video", 0, template.type, template.content, values, answer)
        scene = invent(rng, [asked], 20, (7, 7))
        settled = template.rule(Listener(scene), *values)
        assert settled is not None
        assert settled.answer == answer
