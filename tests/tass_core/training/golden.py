"""Losses of six variants, kept: ``python -m tests.tass_core.training.golden`` writes them anew.

They hold ``TRAINING_VERSION`` to its word: who changes what a trial computes must raise it, and
then write the table. They are computed in float64, so that they hold on every processor.
"""

import json
import tempfile
from pathlib import Path

from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.training.groups import Solo
from tests.tass_core.training.test_groups import exact_members, train
from tests.tass_core.training.test_variants import VARIANTS

TABLE = Path(__file__).with_name("golden.json")
NAMES = ("full", "w/o TSG+", "w/o JTG", "dual", "glove soft", "negatives of the split")
SMALL = {"model.width": 16, "optimiser.epochs": 3, "data.t2": 2, "optimiser.batch_size": 64}


def golden_losses(dataset, name):
    """Return the mean losses of three epochs: L and its terms."""
    config = TrialConfig().with_values({**dataset.base, **SMALL, **VARIANTS[name]})
    (member,) = exact_members([config], dataset)
    return train([Solo(member)], dataset, config, (1, 2, 3))[:, 0].tolist()


def main():
    """Write the table for this version of training."""
    with tempfile.TemporaryDirectory() as folder:
        make_world("tiny", Path(folder) / "tiny", seed=0)
        dataset = open_dataset(Path(folder) / "tiny")
        losses = {name: golden_losses(dataset, name) for name in NAMES}
    table = {"training_version": TRAINING_VERSION, "losses": losses}
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
