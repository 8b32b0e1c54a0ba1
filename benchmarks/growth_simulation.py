"""A hundred thousand trials: everything of a sweep but the training, which is a replay.

Session, outbox, delivery, writer, conductor, attempts, retention, study and ranking are the real
ones. Two real trials are trained first. What they reported is told again under every other trial's
key, at the pace that was measured and on a clock of its own. The tracking store is a dictionary
that answers as MLflow does and forgets params and histories, so that memory is the driver's.

Run ``python -m benchmarks.growth_simulation [--trials 1000 10000 100000] [--sweeps 20]``, with
``--search`` for Optuna's search instead of grids.
"""

from __future__ import annotations

import argparse
import heapq
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from benchmarks.growth import plans
from benchmarks.memory_store import Memory
from benchmarks.tables import print_machine, print_table
from evidence.ranking import rank
from jobs.choices import Keep, Search
from jobs.cluster.fleet import Fleet, Machine
from jobs.cluster.preflight import Checklist
from jobs.cluster.resources import Resources, Slots
from jobs.driver.conductor import Conductor
from jobs.driver.progress import Progress
from jobs.driver.run import grid, run_sweep
from jobs.driver.search import searching
from jobs.driver.session import Setting
from jobs.packs import Pack
from jobs.storage import open_storage
from jobs.worker.train import Workplace, train
from search_spaces.load import load
from search_spaces.plan import Plan, empty_plan
from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.world.make import make_world
from tracking.events import EpochDone, Result, TrialEnded
from tracking.reader import Reader
from tracking.writer import CHECKPOINT_FILES

NODE = Machine("n1", "n1", {"CPU": 64.0})
SLOTS = Slots(cpus=1, gpus=0, workers=1, packs=64)
PACK = 8


class Replay:
    """The trainer: two real trials, told again as often as wanted."""

    def __init__(self, dataset: Dataset, plan: Plan, folder: Path) -> None:
        keys = list(plan.trials)[::2][:2]
        pack = Pack({key: plan.trials[key] for key in keys})
        self._folder = folder
        place = Workplace(str(dataset.folder), dataset.fingerprint, str(folder), 1, 0)
        told: list[Result] = []
        start = time.perf_counter()
        train(pack, place, told.extend)
        self.measured = {key: [it for it in told if it.key == key] for key in sorted(keys)}
        epochs = sum(isinstance(it, EpochDone) for it in told)
        self.pace = (time.perf_counter() - start) / epochs
        self._end = next(it for it in told if isinstance(it, TrialEnded))

    def run_packs(self, conductor: Conductor, _: Workplace, __: Slots) -> None:
        """Hand out packs and report them, in the order in which their epochs end."""
        curves, count, began = list(self.measured.values()), 0, time.time()
        flying: list[tuple[float, int, Pack, int]] = []
        now = 0.0
        while True:
            pack = conductor.suggest()
            if isinstance(pack, Pack):
                count += 1
                heapq.heappush(flying, (now + self.pace * len(pack.members), count, pack, 0))
                continue
            if not flying:
                break
            now, number, pack, done = heapq.heappop(flying)
            curve = curves[number % len(curves)]
            at = began + now
            told = [self._again(curve[done], key, at) for key in pack.members]
            last = isinstance(curve[done + 1], TrialEnded)
            if last:
                told += [self._again(curve[done + 1], key, at) for key in pack.members]
            conductor.receive(pack, told, NODE.id)
            if last:
                conductor.close(pack)
            else:
                ends = now + self.pace * len(pack.members)
                heapq.heappush(flying, (ends, number, pack, done + 1))
        conductor.give_back()

    def _again(self, event: Result, key: str, at: float) -> Result:
        if isinstance(event, EpochDone):
            return replace(event, key=key, at=at)
        return replace(event, key=key, at=at, weights=key)

    def fetch(self, _storage: str, relative: str, target: Path) -> None:
        """Copy the real trial's predictions, or write a description of a checkpoint."""
        if relative.endswith(".parquet"):
            shutil.copy(self._folder / str(self._end.predictions), target)
        else:
            target.write_text(json.dumps({"trial_key": relative.partition("/")[0]}))

    def sizes(self, _storage: str, _relative: str) -> Mapping[str, int]:
        """Return the files of a checkpoint."""
        return dict.fromkeys(CHECKPOINT_FILES, 1)


class Silent:
    """A watcher that shows nothing."""

    def update(self, progress: Progress) -> None:
        """Show nothing."""

    def ended(self, progress: Progress, event: TrialEnded) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class Cluster:
    """A cluster of one large node that is always there (``jobs.cluster.fleet.Eyes``)."""

    def machines(self) -> Sequence[Machine]:
        """Return the node."""
        return [NODE]

    def examine(self, machine: Machine) -> None:
        """Nothing is to be found out."""

    def verdicts(self) -> Mapping[str, str | None]:
        """Say that the node has all that it needs."""
        return {NODE.id: None}


@contextmanager
def _session(resources: Resources, _: Checklist) -> Iterator[Fleet]:
    fleet = Fleet(resources, Cluster())
    try:
        yield fleet
    finally:
        fleet.close()


def simulate(folder: Path, trials: int, sweeps: int, search: bool) -> dict[str, float]:
    """Run sweeps of so many trials in all, one after another; return what they cost."""
    make_world("tiny", folder / "world", seed=0)
    dataset = open_dataset(folder / "world")
    memory = Memory(folder / "artifacts")
    made = [plan for _, plan in plans(dataset, folder, trials, sweeps)]
    replay = Replay(dataset, made[0], folder / "measured")
    setting = Setting(
        dataset=dataset,
        storage=open_storage(str(folder / "tass-runs")),
        tracking_uri="memory://",
        resources=Resources(pack_size=PACK, cpus_per_worker=1),
        keep=Keep("best"),
        max_failures=2,
        command="benchmarks.growth_simulation",
    )
    with ExitStack() as stack:
        for target, value in (
            ("tracking.writer.connect", lambda _: memory),
            ("tracking.server.connect", lambda _: memory),
            ("jobs.driver.session.Files", lambda: replay),
            ("jobs.driver.session.find_slots", lambda _: SLOTS),
            ("jobs.driver.run.ray_session", _session),
            ("jobs.driver.tune.run_packs", replay.run_packs),
        ):
            stack.enter_context(mock.patch(target, value))
        spent, starts = time.process_time(), []
        for number, plan in enumerate(made):
            begin = grid
            if search:
                # Searches with one seed would propose what the first one trained.
                document = replace(load("joint"), name=plan.sweep)
                plan = empty_plan(document, dataset, plan.base, (number,))
                budget = Search(
                    trials=trials // sweeps,
                    pruner="none",
                    confirm=1,
                    storage=f"sqlite:///{folder}/optuna.db",
                )
                begin = searching(plan, budget, "memory://", note=Silent().note)
            outcome = run_sweep(plan, begin, setting, Silent())
            assert outcome.status == "finished", outcome
            assert outcome.behind is None, outcome.behind
            starts.append(outcome.trained)
        spent = time.process_time() - spent
        reading = time.process_time()
        rank(Reader("memory://").snapshot(), sweep=None if not search else made[-1].sweep)
        reading = time.process_time() - reading
    trained = sum(starts)
    return {
        "trained": trained,
        "driver, ms a trial": 1000 * spent / trained,
        "MLflow calls a trial": sum(memory.calls.values()) / trained,
        "best, s": reading,
        "memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Simulate each size in turn, the smallest first, and print what a trial costs the driver."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--sweeps", type=int, default=20)
    parser.add_argument("--search", action="store_true")
    options = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    for trials in sorted(options.trials):
        with tempfile.TemporaryDirectory(prefix="tass-simulation-") as name:
            found[trials] = simulate(Path(name), trials, options.sweeps, options.search)
    print_machine()
    print(f"{options.sweeps} sweeps of equal size, packs of {PACK} in {SLOTS.packs} slots.\n")
    rows = [
        (label, *(f"{found[trials][label]:.1f}" for trials in found))
        for label in next(iter(found.values()))
    ]
    print_table(("", *(f"{trials:,} trials" for trials in found)), rows)


if __name__ == "__main__":
    main()
