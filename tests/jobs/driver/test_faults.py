"""What a person is told of Ray's errors, and who is to blame."""

import pytest

from jobs.driver.faults import Fault, read_fault

UNAVAILABLE = (
    "The actor 07e1f8 is unavailable: The actor is temporarily unavailable: RpcError: RPC error: "
    "Socket closed rpc_code: 14. The task may or may not have been executed on the actor."
)
DIED = "The actor died unexpectedly before finishing this task.\n\tclass_name: Packs\n"
OF_PLACE = """Traceback (most recent call last):
  File "jobs/worker/entry.py", line 9, in run_pack
jobs.worker.entry.PlaceError: /data/demo: no dataset is there

The above exception was ...
"""


@pytest.mark.parametrize(
    ("text", "words", "whose"),
    [
        (
            DIED + "The actor is dead because its worker process has died.",
            "its process died",
            "pack",
        ),
        (DIED + "The actor died because its node has died. Node Id: 5", "its node died", "node"),
        (DIED + "\tactor_id: febb7c\n\tpid: 12", "its process died", "pack"),
        (UNAVAILABLE, "its process is out of reach", "node"),
        (OF_PLACE, "/data/demo: no dataset is there", "place"),
        (
            "ModuleNotFoundError: No module named 'jobs'",
            "ModuleNotFoundError: No module named 'jobs'",
            "place",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory.", "out of memory on its GPU", "memory"),
        ("Traceback\n  line\nValueError: why\n\n", "ValueError: why", "pack"),
        ("", "its process ended without a word", "pack"),
    ],
)
def test_an_error_is_told_in_a_line(text, words, whose):
    assert read_fault(text) == Fault(words, whose)
