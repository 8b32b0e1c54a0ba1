"""What an author tests of a system: the protocol, and that it can learn."""

from mynet import MYNET

from tass_core.training.check import check_system


def test_mynet_keeps_the_protocol():
    check_system(MYNET, {"model.width": 16})
