"""A config that trains in a moment, for the tests of the platform."""

import pytest

from tass_core.config import TrialConfig


@pytest.fixture(scope="session")
def world(tiny):
    return tiny


@pytest.fixture(scope="session")
def base(world):
    small = {"model.width": 16, "optimiser.epochs": 2, "data.t2": 4}
    return TrialConfig().with_values({**world.base, **small})
