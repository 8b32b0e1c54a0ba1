"""The procedural music world: scenes, questions with true answers, and features for them."""

from tass_core.data.world.build import Progress
from tass_core.data.world.make import ANSWER_BIAS, CO_OCCURRENCE, make_world
from tass_core.data.world.over.invent import OverReport, make_world_over
from tass_core.data.world.presets import PRESETS

__all__ = [
    "ANSWER_BIAS",
    "CO_OCCURRENCE",
    "PRESETS",
    "OverReport",
    "Progress",
    "make_world",
    "make_world_over",
]
