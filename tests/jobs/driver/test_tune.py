"""What a person is told of Ray's errors."""

import pytest

from jobs.driver.tune import summarise

UNAVAILABLE = (
    "The actor 07e1f8 is unavailable: The actor is temporarily unavailable: RpcError: RPC error: "
    "Socket closed rpc_code: 14. The task may or may not have been executed on the actor."
)
DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: Packs\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DIED + "The actor is dead because its worker process has died.", "its process died"),
        (DIED + "The actor died because its node has died. Node Id: 5", "its node died"),
        (UNAVAILABLE, "its process is out of reach"),
        ("Traceback\n  line\nValueError: why\n\n", "ValueError: why"),
        ("", "its process ended without a word"),
    ],
)
def test_an_error_is_told_in_a_line(text, words):
    assert summarise(text) == words
