"""The paper's network (section 3), its parts and its losses."""

from tass_core.model.inputs import Batch, Negatives, Output
from tass_core.model.tass import TASS, parameter_counts, uses_match

__all__ = ["TASS", "Batch", "Negatives", "Output", "parameter_counts", "uses_match"]
