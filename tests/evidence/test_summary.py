"""What a sweep's last words say of a row agrees with the row's verdict in its table."""

import pytest

from evidence.estimates import Estimate, Interval
from evidence.summary import Difference


@pytest.mark.parametrize(("videos", "standing"), [(60, "open"), (600, "equal")])
def test_rows_that_answer_alike_are_equal_only_where_enough_was_asked(videos, standing):
    alike = Estimate(
        mean=0.0,
        seeds=3,
        questions=2 * videos,
        videos=videos,
        seed_sd=0.0,
        standard_error=0.0,
        question_se=0.0,
        interval=Interval(0.0, 0.0),
        p=1.0,
        identical=True,
    )

    found = Difference("5", "τ = 0.000", "τ = 0.025", "all", "tiny", alike, margin=1.0)

    assert found.standing == standing
