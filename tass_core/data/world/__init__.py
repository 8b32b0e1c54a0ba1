"""The procedural music world: scenes, questions with true answers, and features for them."""

from tass_core.data.world.build import Progress
from tass_core.data.world.make import make_world
from tass_core.data.world.presets import PRESETS

__all__ = ["PRESETS", "Progress", "make_world"]
