"""Which clusters a process may connect to."""

import sys

import pytest

from jobs.cluster.session import connected
from tass_core.errors import SweepError


@pytest.mark.parametrize(
    ("address", "variable"), [("ray://head:10001", ""), ("auto", "ray://head:10001")]
)
def test_rays_client_is_refused_with_what_to_do(address, variable, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setitem(sys.modules, "ray", None)

    refused = pytest.raises(SweepError, match=r"--address ray://head:10001: .*HOST:PORT.*type the")
    with refused, connected(address):
        pass
