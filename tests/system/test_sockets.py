"""A sweep on this machine can be reached from this machine alone, and leaves no token behind."""

from pathlib import Path

import pytest

from benchmarks.services import descendants

pytestmark = pytest.mark.system

LISTENS = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same in IPv6's clothes, and ::1, as /proc/net/tcp writes them."""


def test_a_local_sweep_listens_on_loopback_only_and_writes_no_token(desk, killed):
    home = desk.folder / "home"
    home.mkdir()
    driver = desk.start(*desk.sweep_args(), HOME=str(home))
    killed.append(driver)
    desk.wait_for_epoch(driver, 2)

    heard = listening([driver.pid, *descendants(driver.pid)])

    assert len(heard) > 3, "Ray listens somewhere"
    assert {name: place for name, place in heard.items() if place not in LOOPBACK} == {}
    assert not (home / ".ray").exists(), "a token would turn `ray start --head` to token mode"


def listening(pids):
    """Return process and port -> address of every TCP socket that the processes listen on."""
    places = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENS:
                places[inode] = local.rpartition(":")
    found = {}
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                kind, _, inode = str(descriptor.readlink()).partition(":[")
            except OSError:
                continue
            if kind == "socket" and inode.rstrip("]") in places:
                address, _, port = places[inode.rstrip("]")]
                name = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:80]
                found[name, int(port, 16)] = address
    return found
