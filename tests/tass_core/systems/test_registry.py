"""What the built-in systems say of themselves."""

import pytest

from tass_core.systems import BUILT_IN, system_named
from tests.tass_core.systems import properties


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_system_says_how_near_the_published_one_it_is(name):
    system = system_named(name)
    assert system.name == name
    assert system.fidelity is not None
    assert system.differs
    assert "\n" not in system.differs


def test_tass_sees_time_and_not_place():
    tass = system_named("tass")
    config = properties.configure("tass", {"model.width": 16, "model.heads": 2})
    properties.assert_sees(config, time=tass.sees_time, place=tass.sees_place)
