"""The commands of mlflow/compose.yaml as processes, under the names that the file gives them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks.services import (
    MissingServiceError,
    postgres_binaries,
    unprivileged,
    weed_binary,
)
from tests import ROOT
from tests.deployment.compose import SECRETS, command, environment, read_compose
from tests.system.conftest import SMALL

pytestmark = pytest.mark.system

WAIT = 180
ACCOUNT = {
    "MLFLOW_TRACKING_USERNAME": "admin",
    "MLFLOW_TRACKING_PASSWORD": SECRETS["ADMIN_PASSWORD"],
    "PGHOST": "database",
    "PGUSER": "mlflow",
    "PGPASSWORD": SECRETS["POSTGRES_PASSWORD"],
    "AWS_ENDPOINT_URL": "http://objects:8333",
    "AWS_ACCESS_KEY_ID": "mlflow",
    "AWS_SECRET_ACCESS_KEY": SECRETS["OBJECTS_PASSWORD"],
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Network:
    """A machine's worth of names and ports that nobody else sees."""

    def __init__(self, folder, names):
        self._started = []
        (folder / "hosts").write_text(f"127.0.0.1 localhost {' '.join(names)}\n")
        inside = (
            f"mount --make-rprivate / && mount --bind {folder / 'hosts'} /etc/hosts && "
            "ip link set lo up && echo ready && exec sleep infinity"
        )
        self._holder = subprocess.Popen(
            ["unshare", "-mn", "sh", "-c", inside], stdout=subprocess.PIPE, text=True
        )
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            raise MissingServiceError("no network namespace can be made here")

    def inside(self, *words):
        return ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--", *map(str, words)]

    def start(self, *words, **options):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(
            self.inside(*words), start_new_session=True, **{**quiet, **options}
        )
        self._started.append(process)
        return process

    def run(self, *words, **options):
        return subprocess.run(
            self.inside(*words), capture_output=True, text=True, check=False, **options
        )

    def until(self, *words, **options):
        deadline = time.monotonic() + WAIT
        while (done := self.run(*words, **options)).returncode != 0:
            assert time.monotonic() < deadline, done.stderr + done.stdout
            time.sleep(0.3)

    def close(self):
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._holder.kill()
        self._holder.wait()


@pytest.fixture(scope="module")
def network():
    """The deployment, running."""
    if os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("making network namespaces needs root, unshare and nsenter")
    folder = Path(tempfile.mkdtemp(prefix="tass-deployed-"))
    folder.chmod(0o755)
    found = read_compose(SECRETS)
    services, configs = found["services"], found["configs"]
    try:
        machine = Network(folder, [*services, "tracking"])
        try:
            _start_database(machine, folder, services["database"], configs["databases"]["content"])
            _start_objects(machine, folder, services["objects"])
            _start_server(machine, folder, services["server"], configs["auth"]["content"])
            yield machine
        finally:
            machine.close()
    except MissingServiceError as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_database(machine, folder, service, script):
    """Do what the image's own entry point does: initdb with the password, then the scripts."""
    binaries, user = postgres_binaries(), unprivileged()
    given, home = service["environment"], folder / "database"
    home.mkdir()
    (home / "password").write_text(given["POSTGRES_PASSWORD"])
    (home / "databases.sql").write_text(f"CREATE DATABASE {given['POSTGRES_DB']};{script}")
    made = ["-U", given["POSTGRES_USER"], "-A", "scram-sha-256", "--pwfile", home / "password"]
    for path in (home, *home.iterdir()):
        os.chown(path, user["user"], user["group"])
    plain = {**user, "cwd": home, "env": {"LC_ALL": "C.UTF-8", "PATH": os.defpath}}
    initialise = [binaries / "initdb", "-D", home / "data", *made, "--no-sync", "-E", "UTF8"]
    subprocess.run(initialise, check=True, stdout=subprocess.DEVNULL, **plain)
    nobody = ("setpriv", f"--reuid={user['user']}", f"--regid={user['group']}", "--clear-groups")
    machine.start(*nobody, binaries / "postgres", "-D", home / "data", "-k", home, "-h", "0.0.0.0")
    account = {**os.environ, **ACCOUNT}
    _, check, *options = service["healthcheck"]["test"]
    machine.until(binaries / check, *options, env=account)
    script = ("-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f", home / "databases.sql")
    machine.until(binaries / "psql", *script, env=account)


def _start_objects(machine, folder, service):
    weed = weed_binary()
    (folder / "objects").mkdir()
    words = [word.replace("=/data", f"={folder / 'objects'}") for word in command(service)]
    machine.start(weed, *words[1:], env=environment(service), cwd=folder)
    url = service["healthcheck"]["test"][-1]
    machine.until(sys.executable, "-c", f"import urllib.request as it; it.urlopen('{url}')")


def _start_server(machine, folder, service, accounts):
    (folder / "auth.ini").write_text(accounts)
    given = {**environment(service), "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini")}
    words = command(service)
    machine.start(sys.executable, "-m", *words, env=given, cwd=folder)
    _, _, *check = service["healthcheck"]["test"]
    machine.until(sys.executable, *check)


@pytest.fixture(scope="module")
def swept(network, world, tmp_path_factory):
    """A small search whose runs, study and packs are all in the deployment."""
    bucket = "import boto3; boto3.client('s3').create_bucket(Bucket='tass')"
    made = network.run(sys.executable, "-c", bucket, env={**os.environ, **ACCOUNT})
    assert made.returncode == 0, made.stderr
    # A path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="tass-") as short:
        yield _tass(
            *(network, tmp_path_factory.mktemp("desk")),
            *("sweep", "tau", "--search", "optuna", "--trials", "2", "--pruner", "none"),
            *("--seeds", "0", "--epochs", "2", *SMALL, "--data", world),
            *("--study-storage", "postgresql+psycopg:///optuna", "--storage", "s3://tass/runs"),
            TMPDIR=short,
        )


def test_a_sweep_runs_against_the_server_by_its_name(network, swept, tmp_path):
    assert swept.returncode == 0, swept.stderr + swept.stdout
    assert "0 failed" in swept.stderr

    listed = _tass(network, tmp_path, "status", "--format", "json")
    [sweep] = json.loads(listed.stdout)["sweeps"]

    assert sweep["status"] == "finished"
    assert sweep["trials"]["finished"] == sweep["trials"]["wanted"] > 0


def test_the_bucket_the_databases_and_the_pages_hold_what_was_written(network, swept):
    assert swept.returncode == 0, swept.stderr
    look = (
        "import boto3, psycopg\n"
        "files = boto3.client('s3').list_objects_v2(Bucket='mlflow')['Contents']\n"
        "assert sum(it['Key'].endswith('predictions/test.parquet') for it in files) >= 2, files\n"
        "for name, table in (('mlflow', 'runs'), ('optuna', 'trials'), ('accounts', 'users')):\n"
        "    with psycopg.connect(dbname=name) as database:\n"
        "        assert database.execute(f'SELECT count(*) FROM {table}').fetchone()[0] > 0\n"
    )
    done = network.run(sys.executable, "-c", look, env={**os.environ, **ACCOUNT})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("uri", "password", "said"),
    [
        ("http://tracking:5000", "wrong", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        ("http://server:5000", SECRETS["ADMIN_PASSWORD"], "start the server with --allowed-hosts"),
    ],
)
def test_what_the_server_refuses_is_said_with_what_to_do(network, tmp_path, uri, password, said):
    account = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_PASSWORD": password}

    done = _tass(network, tmp_path, "status", **account)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_no_secret_can_be_seen_among_the_processes(network, swept):
    told = "".join(
        path.read_bytes().decode(errors="replace")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.exists()
    )

    assert "basic-auth" in told
    assert not [name for name, secret in SECRETS.items() if secret in told]


def _tass(network, folder, *words, **more):
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **ACCOUNT}
    given |= {"MLFLOW_TRACKING_URI": "http://tracking:5000", "TMPDIR": str(folder), **more}
    tass = (sys.executable, "-m", "cli")
    return network.run(*tass, *words, cwd=folder, env=given, timeout=400)
