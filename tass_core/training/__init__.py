"""Training: packs of trials, their steps, their results and their resume state."""

from tass_core.training.bracket import Halving
from tass_core.training.fuse import Fuse, parse_fuse
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, TrialResult
from tass_core.workers import Shard

__all__ = [
    "EpochResult",
    "Fuse",
    "Halving",
    "Shard",
    "TrialResult",
    "parse_fuse",
    "train_pack",
]
