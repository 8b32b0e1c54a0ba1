"""The same trials train to the losses that were kept for this version of training."""

import json

import numpy as np
import pytest

from tass_core import TRAINING_VERSION
from tests.tass_core.training.golden import NAMES, TABLE, golden_losses

KEPT = json.loads(TABLE.read_text())


def test_the_table_is_of_this_version():
    assert KEPT["training_version"] == TRAINING_VERSION
    assert tuple(KEPT["losses"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_those_that_were_kept(name, tiny):
    """When this fails, raise TRAINING_VERSION and write the table anew (see ``golden``)."""
    np.testing.assert_allclose(golden_losses(tiny, name), KEPT["losses"][name], rtol=1e-4)
