"""Training: packs of trials, their steps, their results and their resume state."""

from tass_core.batches import Shard
from tass_core.training.pack import train_pack
from tass_core.training.results import EpochResult, Halving, TrialResult

__all__ = ["EpochResult", "Halving", "Shard", "TrialResult", "train_pack"]
