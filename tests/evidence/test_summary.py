"""What a sweep's last words say of a row agrees with the row's verdict in its table."""

import numpy as np
import pytest

from evidence.estimates import estimates
from evidence.summary import Difference


@pytest.mark.parametrize(("videos", "standing"), [(60, "open"), (600, "equal")])
def test_rows_that_answer_alike_are_equal_only_where_enough_was_asked(videos, standing):
    [alike] = estimates([np.zeros((3, 2 * videos))], np.arange(2 * videos) // 2)

    found = Difference("5", "τ = 0.000", "τ = 0.025", "all", "tiny", alike, margin=1.0)

    assert found.standing == standing
