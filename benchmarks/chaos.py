"""Kill anything, type the command again: whether a sweep ends as if nothing had happened.

Run ``python -m benchmarks.chaos [--kills 200] [--seed 0]``. Packs are trained by Ray nodes of this
machine and saved in a bucket of an S3 server; runs go to MLflow's server over PostgreSQL. At random
moments a driver, a pack's process, a raylet, the tracking server, the database or the object store
is killed. Services are started again after a while, and the driver's command is typed again.
What a sweep has left behind in the end has to be what an undisturbed one left, to the byte.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random

from benchmarks.left_behind import Left, differences, left_behind
from benchmarks.services import (
    SHORT,
    MissingServiceError,
    ObjectStore,
    Postgres,
    RayNode,
    Service,
    TrackingServer,
    running,
)
from benchmarks.tables import print_machine, print_table
from tass_core.data.world.make import make_world
from tracking import schema
from tracking.connect import connect
from tracking.status import read_outbox

ROOT = Path(__file__).parents[1]
SWEEP = (
    *("sweep", "tau", "--seeds", "0,1", "--pack-size", "2", "--epochs", "30"),
    *("--set", "data.t2=2", "--set", "model.width=32"),
)
TELL = signal.SIGUSR2
PROGRAM = f"""
import faulthandler
faulthandler.register({TELL:d})
from cli.main import main
main()
"""
"""The command, which tells where its threads are when it is asked."""
WORLD = "tiny"
BUCKET = "sweeps"
DRIVER, PACK = "driver", "pack"
NODES = 2
OF_A_SWEEP = 10
"""Kills of one sweep; then it may end."""
PATIENCE = 300.0
"""Seconds without a sign of progress after which a sweep hangs: once its last kill is done."""
LOOK = 0.2
"""Seconds between two looks at a sweep."""
STILL = 15.0
"""Seconds for which a kill waits for a sign of progress."""


class Site:
    """The services and nodes of a sweep, all on this machine.

    Args:
        folder: of all that is written; its path has to be short.
        stack: ends what is started.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        make_world(WORLD, folder / WORLD, seed=0)
        database = stack.enter_context(running(Postgres()))
        objects = stack.enter_context(running(ObjectStore()))
        os.environ.update(objects.environment)
        objects.create(BUCKET)
        self._client = objects.client()
        server = TrackingServer(folder, database.create("runs"), objects.create("mlflow"))
        stack.enter_context(running(server))
        own = {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
        self.environment = {**own, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}
        head = stack.enter_context(running(RayNode(folder, 0, **self.environment)))
        nodes = [RayNode(folder, 1, head.address, **self.environment) for _ in range(NODES)]
        for node in nodes:
            stack.enter_context(running(node))
        self.tracking, self.address = server.url, head.address
        self.services: dict[str, Sequence[Service]] = {
            "raylet": nodes,
            "tracking server": [server],
            "database": [database],
            "object store": [objects],
        }

    def packs(self) -> list[int]:
        """Return the processes that packs are trained in."""
        return [
            pid
            for node in self.services["raylet"]
            for pid, name in node.processes().items()
            if name.startswith("ray::ImplicitFunc")
        ]

    def saved(self, sweep: str) -> object:
        """Return what changes with every epoch that a sweep saves, or None."""
        try:
            page = self._client.list_objects_v2(Bucket=BUCKET, Prefix=f"{sweep}/packs/")
        except Exception:  # whatever boto3 raises for a server that was killed
            return None
        indices = (it for it in page.get("Contents", ()) if it["Key"].endswith("pack.json"))
        return {it["Key"]: it["ETag"] for it in indices}

    def take(self, sweep: str) -> Left:
        """Return what a sweep left behind, and make room for the next."""
        left = dict(left_behind(self.tracking, WORLD))
        outbox = read_outbox(self.folder / sweep / "tass-runs", self.tracking)
        left["outbox"] = (outbox.waiting, outbox.dead_letters)
        client = connect(self.tracking)
        experiment = client.get_experiment_by_name(schema.EXPERIMENT + WORLD)
        client.rename_experiment(experiment.experiment_id, sweep)
        return left


class Driver:
    """The command of a sweep, which somebody types until it ends well.

    Args:
        site: where it runs.
        sweep: what it is called; it has a folder and a storage of its own.
        pause: returns the seconds until it is typed again.
    """

    def __init__(self, site: Site, sweep: str, pause: Callable[[], float]) -> None:
        self._site, self._pause = site, pause
        self._home = site.folder / sweep
        self._home.mkdir()
        self._said = self._home / "said"
        self._heard = 0
        self._command = (
            *(sys.executable, "-c", PROGRAM, *SWEEP),
            *("--storage", f"s3://{BUCKET}/{sweep}", "--tracking-uri", site.tracking),
            *("--address", site.address, "--data", str(site.folder / WORLD)),
        )
        self._again = 0.0
        self.typed = 0
        self.news: list[str] = []
        self._type()

    @property
    def pid(self) -> int | None:
        """The driver's process, while there is one."""
        return self._process.pid if self._process.poll() is None else None

    def ended(self) -> bool:
        """Look at it, have it typed again where it ended badly; return whether it ended well."""
        code = self._process.poll()
        if code:
            now = time.monotonic()
            if not self._again:
                self._again = now + self._pause()
                self.news.append(f"exit {code}")
            elif now > self._again:
                self._type()
                self.news.append("typed again")
        return code == 0

    def heard(self) -> list[str]:
        """Return what happened, and what the driver said, since the last call."""
        lines = self._said.read_text().splitlines()
        new, self._heard = lines[self._heard :], len(lines)
        ends = [line for line in new if re.match(r"\[\d+/\d+\] ", line)]
        said = [f"{len(ends)} trials end"] if ends else []
        said += [line.strip()[:100] for line in new if line.strip() and line not in ends][-2:]
        news, self.news = self.news, []
        return [*news, *said]

    def signs(self) -> tuple[int, int]:
        """Return what changes as it goes on: how often it was typed, and how much it has said."""
        return self.typed, self._said.stat().st_size

    def dump(self) -> None:
        """Print where its threads are, and the last that it said and wrote."""
        if self.pid is not None:
            os.kill(self.pid, TELL)
            time.sleep(1)
        for path in (self._said, *sorted((self._home / "tass-runs" / "logs").glob("*"))[-1:]):
            print(f"--- {path}", *path.read_text().splitlines()[-80:], sep="\n")

    def end(self) -> None:
        """Kill it."""
        if self.pid is not None:
            self._process.kill()
            self._process.wait()

    def _type(self) -> None:
        self.typed, self._again = self.typed + 1, 0.0
        with self._said.open("a") as said:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._home,
                env={**os.environ, **self._site.environment},
                stdout=subprocess.DEVNULL,
                stderr=said,
            )


class Chaos:
    """Kills what a sweep depends on, each kind as often as the others.

    Args:
        site: what there is.
        random: decides what is killed, and when.
    """

    def __init__(self, site: Site, random: Random) -> None:
        self._site, self._random = site, random
        self._pool = ThreadPoolExecutor()
        self._returning: dict[Service, Future[None]] = {}
        self._deck: list[str] = []
        self._began = time.monotonic()
        self.killed: Counter[str] = Counter()

    def sweep(self, name: str, kills: int) -> None:
        """Run a sweep and kill so often, unless it ends before.

        Raises:
            TimeoutError: the sweep hangs.
        """
        driver = Driver(self._site, name, lambda: self._random.uniform(0, 3))
        made = 0
        try:
            while made < kills and not self._wait(driver, name):
                kind = self._kill(driver)
                if kind is not None:
                    made += 1
                    self._tell(driver, kind)
            self._let_return()
            self._see_it_end(driver, name)
            self._came(driver)
        finally:
            driver.end()

    def _see_it_end(self, driver: Driver, name: str) -> None:
        moved, last = None, time.monotonic()
        while not driver.ended():
            signs = (self._site.saved(name), driver.signs())
            if signs != moved:
                moved, last = signs, time.monotonic()
            elif time.monotonic() - last > PATIENCE:
                print()
                driver.dump()
                raise TimeoutError(f"{name} hangs: nothing has moved for {PATIENCE:.0f} s")
            time.sleep(LOOK)

    def _wait(self, driver: Driver, name: str) -> bool:
        """Wait for the next moment; return whether the sweep ended before it.

        Most moments are soon after something was saved: a sweep's start would get them all.
        """
        now = time.monotonic()
        saved = self._site.saved(name) if self._random.random() < 0.7 else None
        moment = now + (self._random.uniform(0, 5) if saved is None else STILL)
        while time.monotonic() < moment:
            if driver.ended():
                return True
            if saved is not None and self._site.saved(name) not in (None, saved):
                saved, moment = None, time.monotonic() + self._random.uniform(0, 2)
            time.sleep(LOOK)
        return driver.ended()

    def _kill(self, driver: Driver) -> str | None:
        """Kill the first of the kinds whose turn it is that can be killed; return which."""
        for done in [it for it, back in self._returning.items() if back.done()]:
            self._returning.pop(done).result()
        if not self._deck:
            self._deck = [DRIVER, PACK, *self._site.services]
            self._random.shuffle(self._deck)
        for kind in self._deck:
            if kind in (DRIVER, PACK):
                pids = self._site.packs() if kind == PACK else [driver.pid]
                victims = [pid for pid in pids if pid is not None]
                with contextlib.suppress(IndexError, ProcessLookupError):
                    os.kill(self._random.choice(victims), signal.SIGKILL)
                    break
            else:
                there = [it for it in self._site.services[kind] if it not in self._returning]
                if there:
                    self._take_away(self._random.choice(there))
                    break
        else:
            return None
        self._deck.remove(kind)
        return kind

    def _take_away(self, service: Service) -> None:
        service.kill()
        away = self._random.uniform(0, 6)

        def bring_back() -> None:
            time.sleep(away)
            service.start()

        self._returning[service] = self._pool.submit(bring_back)

    def _let_return(self) -> None:
        for back in self._returning.values():
            back.result()
        self._returning.clear()

    def _tell(self, driver: Driver, kind: str) -> None:
        """Print what came after the last kill, and that there is another one."""
        self._came(driver)
        self.killed[kind] += 1
        seconds = time.monotonic() - self._began
        print(f"{self.killed.total():>4}  {seconds:6.1f} s  {kind:<16}", end="", flush=True)

    def _came(self, driver: Driver) -> None:
        print("; ".join(driver.heard()) or "nothing is said", flush=True)


def main() -> None:
    """Kill as often as is asked for, and say what was lost, was there twice, or hung."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="tass-", dir=SHORT) as name,
            contextlib.ExitStack() as stack,
        ):
            wrong = run(Site(Path(name), stack), options.kills, Random(options.seed))
    except MissingServiceError as reason:
        sys.exit(str(reason))
    sys.exit(1 if wrong else 0)


def run(site: Site, kills: int, random: Random) -> list[str]:
    """Return what was wrong in all sweeps together, and print it as it is found."""
    print_machine()
    chaos, began = Chaos(site, random), time.monotonic()
    print("undisturbed: ", end="", flush=True)
    chaos.sweep("undisturbed", 0)
    expected = site.take("undisturbed")
    wrong: list[str] = []
    number = 0
    while chaos.killed.total() < kills:
        number += 1
        name = f"sweep{number}"
        print(f"{name}: ", end="", flush=True)
        try:
            chaos.sweep(name, min(OF_A_SWEEP, kills - chaos.killed.total()))
        except TimeoutError as error:
            wrong.append(str(error))
            break
        found = differences(expected, site.take(name))
        print("\n".join(found) or f"{name} left what the undisturbed one left", flush=True)
        wrong += [f"{name}: {it}" for it in found]
    print_table(("killed", "times"), [*chaos.killed.items()])
    minutes = (time.monotonic() - began) / 60
    verdict = "\n".join(wrong) or "nothing is lost, nothing is there twice, nothing hangs"
    print(f"{chaos.killed.total()} kills in {number} sweeps and {minutes:.0f} minutes: {verdict}")
    return wrong


if __name__ == "__main__":
    main()
