"""The tiny world and a small config, made once for all tests of the platform."""

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
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    make_world("tiny", path, seed=0)
    return open_dataset(path)


@pytest.fixture(scope="session")
def base(world):
    small = {"model.width": 16, "optimiser.epochs": 2, "data.t2": 4}
    return TrialConfig().with_values({**world.base, **small})
