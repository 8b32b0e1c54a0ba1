"""The tiny world, made once for all tests of training."""

import pytest
import torch

from tass_core.config import TrialConfig
from tass_core.data import open_dataset
from tass_core.data.world import make_world


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Bits are compared, and sums over threads round differently with their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    make_world("tiny", path, seed=0)
    return open_dataset(path)


@pytest.fixture(scope="session")
def base(tiny):
    """A small config that the tiny world can run."""
    small = {"model.width": 32, "optimiser.epochs": 3, "data.t2": 2, "optimiser.batch_size": 32}
    return TrialConfig().with_values({**tiny.base, **small})
