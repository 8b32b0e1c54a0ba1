"""One rule says what state a trial is in, for whoever asks."""

import pytest

from tracking import schema


@pytest.mark.parametrize(
    ("status", "tag", "expected"),
    [
        ("FINISHED", "finished", "finished"),
        ("FAILED", "failed", "failed"),
        ("KILLED", "pruned", "pruned"),
        ("RUNNING", "running", "running"),
        # The tags are there, the status is not set yet.
        ("RUNNING", "finished", "running"),
        ("RUNNING", "failed", "failed"),
        # Somebody ended the run in MLflow's pages.
        ("KILLED", "running", "running"),
        ("FAILED", "finished", "failed"),
        ("FINISHED", "running", "running"),
    ],
)
def test_a_trial_is_finished_only_when_tag_and_status_say_so(status, tag, expected):
    assert schema.state(status, tag) == expected


def test_states_and_statuses_agree_on_every_end():
    for state, status in schema.ENDS.items():
        assert schema.state(status, state) == state
