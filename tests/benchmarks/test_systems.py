"""What a step of a system costs."""

import re
import sys

import pytest
import torch

from benchmarks.systems import SHAPES, configured, step_cost
from tass_core.systems import BUILT_IN, build_network, parameter_counts
from tests import ROOT

TABLE = (ROOT / "docs" / "systems.md").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_a_step_has_at_least_weights_gradients_and_two_moments_in_memory():
    with torch.device("meta"):
        weights = parameter_counts(build_network(configured("tass", 2), SHAPES))["total"]
    seconds, megabytes = step_cost("tass", 2)
    assert seconds > 0
    assert megabytes > 4 * 4 * weights / 2**20


def test_the_page_holds_the_cost_of_every_system():
    shown = re.findall(r"^\| `([\w-]+)` \| [\d.]+ \|", TABLE, re.MULTILINE)
    assert sorted(shown) == sorted(BUILT_IN)
