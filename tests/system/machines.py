"""Machines for tests of clusters: each with an address, processes and files of its own.

A machine is a tree of processes in namespaces. It sees this machine's files, but writes into a
layer of its own in memory; what it shares with others is named. All are on one bridge that no
packet leaves.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests import ROOT

NEEDED = ("ip", "unshare", "nsenter", "mount")
_BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=600m node "$BASE"; cd "$BASE"; mkdir up wk root
mount -t overlay -o lowerdir=/,upperdir=up,workdir=wk overlay root
mount --rbind /dev root/dev; mount -t tmpfs shm root/dev/shm
mount -t proc proc root/proc; mount -t sysfs sys root/sys; mount -t tmpfs tmp root/tmp
mkdir -p "root$CLONE" up0 wk0
mount -t overlay -o "lowerdir=$CLONE,upperdir=up0,workdir=wk0" clone "root$CLONE"
for pair in $SHARED; do
  mkdir -p "root${pair#*=}"; mount --bind "${pair%=*}" "root${pair#*=}"
done
hostname "$NAME"; mkdir -p root/desk root/.old; cd root; pivot_root . .old; umount -l /.old
trap "" CHLD; echo ready; exec sleep infinity
"""


class NoMachinesError(Exception):
    """Machines cannot be made here; the message says why."""


class Lan:
    """A bridge, and the machines on it; use it as a context manager.

    Args:
        folder: for the machines' own files.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in NEEDED if shutil.which(name) is None]
        if os.geteuid() != 0 or missing:
            raise NoMachinesError(f"needs root and {', '.join(missing or NEEDED)}")
        self._folder, self._hub = folder, f"tass{os.getpid()}"
        self._numbers = itertools.count(1)
        self._machines: list[Machine] = []

    def __enter__(self) -> Lan:
        try:
            _run("ip", "netns", "add", self._hub)
            _run("ip", "-n", self._hub, "link", "add", "br0", "type", "bridge")
            _run("ip", "-n", self._hub, "link", "set", "br0", "up")
        except subprocess.CalledProcessError as error:
            raise NoMachinesError(f"no network namespaces: {error.stderr}") from None
        return self

    def __exit__(self, *_error: object) -> None:
        for machine in self._machines:
            machine.power_off()
        subprocess.run(["ip", "netns", "del", self._hub], check=False)

    def add(self, shared: Mapping[Path, str]) -> Machine:
        """Return a new machine.

        Args:
            shared: folder of this machine -> where the new one has it.
        """
        number = next(self._numbers)
        machine = Machine(self._hub, number, self._folder / f"machine{number}", shared)
        self._machines.append(machine)
        return machine


class Machine:
    """One machine; see ``Lan.add``."""

    def __init__(self, hub: str, number: int, base: Path, shared: Mapping[Path, str]) -> None:
        self._hub, self._namespace = hub, f"{hub}n{number}"
        self.address, self._port = f"10.77.0.{number}", f"h{number}"
        base.mkdir(parents=True)
        network = self._namespace
        _run("ip", "netns", "add", network)
        link = ("type", "veth", "peer", "name", "eth0", "netns", network)
        _run("ip", "-n", hub, "link", "add", self._port, *link)
        self.plug_in()
        _run("ip", "-n", hub, "link", "set", self._port, "up")
        _run("ip", "-n", network, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _run("ip", "-n", network, "link", "set", device, "up")
        _run("ip", "-n", network, "route", "add", "default", "dev", "eth0")
        unshare = ("unshare", "-m", "-p", "-f", "-u", "-i", "--kill-child", "sh", "-c", _BOOT)
        pairs = " ".join(f"{here}={there}" for here, there in shared.items())
        self._boot = subprocess.Popen(
            ["ip", "netns", "exec", network, *unshare],
            env={
                **os.environ,
                "BASE": str(base),
                "CLONE": str(ROOT),
                "SHARED": pairs,
                "NAME": f"n{number}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._boot.stdout is not None
        if self._boot.stdout.readline().strip() != "ready":
            _, said = self._boot.communicate()
            raise NoMachinesError(f"no file systems of their own: {said.strip()}")
        children = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text()
        self._first = int(children.split()[0])

    def start(self, *command: str, out: Path, **variables: str) -> subprocess.Popen[str]:
        """Start a command on the machine; what it says goes into a file of this machine."""
        enter = ("nsenter", "-t", str(self._first), "-m", "-p", "-n", "-u", "-i", "--wdns=/desk")
        own = {"HOME": "/desk", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        mode = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": "/tmp"}
        with out.open("w") as said:
            return subprocess.Popen(
                [*enter, *command],
                env={**os.environ, **own, **mode, **variables},
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def ray(self, *options: str, out: Path, **variables: str) -> subprocess.Popen[str]:
        """Start Ray on the machine; it ends with it, and with any process of its own."""
        ray = str(Path(sys.executable).with_name("ray"))
        memory = ("--object-store-memory=80000000", f"--memory={2**30}", "--num-gpus=0")
        address = f"--node-ip-address={self.address}"
        command = (ray, "start", "--block", address, *memory, *options)
        return self.start(*command, out=out, **variables)

    def unplug(self) -> None:
        """Cut the machine off."""
        _run("ip", "-n", self._hub, "link", "set", self._port, "nomaster")

    def plug_in(self) -> None:
        """Connect the machine."""
        _run("ip", "-n", self._hub, "link", "set", self._port, "master", "br0")

    def edit(self, path: Path, old: str, new: str) -> None:
        """Change a file of the machine's own copy of the repository."""
        enter = ("nsenter", "-t", str(self._first), "-m")
        _run(*enter, "sed", "-i", f"s|{old}|{new}|", str(path))

    def power_off(self) -> None:
        """End all that is on the machine at once."""
        self._boot.kill()
        self._boot.wait()
        deadline = time.monotonic() + 30
        while Path(f"/proc/{self._first}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        subprocess.run(["ip", "netns", "del", self._namespace], check=False)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
