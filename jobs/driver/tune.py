"""Ray Tune's assembly: one Tune trial is one pack, whatever decides which packs there are."""

from __future__ import annotations

import json
import logging
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from jobs.cluster.resources import COORDINATOR_CPUS, Slots
from jobs.driver.conductor import Conductor
from jobs.packs import Pack
from jobs.worker.entry import run_pack, run_pack_on_workers
from jobs.worker.train import Workplace

logger = logging.getLogger(__name__)

_WORDS = {
    "OutOfMemory": "out of memory: Ray ended its process",
    "worker process has died": "its process died",
    "ActorDied": "its process died",
    "its node has died": "its node died",
    "actor is temporarily unavailable": "its process is out of reach",
}
"""Mark of a Ray error -> what a person wants to read."""


class _Unpickled:
    """Tune pickles what it is given into a file nobody reads; the live object stays here."""

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return object, ()


class PackCallback(_Unpickled, Callback):  # type: ignore[misc]
    """Brings what happens to Tune trials to the conductor."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def on_trial_result(self, *, trial: TuneTrial, result: dict[str, Any], **_info: Any) -> None:
        """Take an epoch's results."""
        if result.get("events"):
            self._conductor.receive(_pack(trial), result["events"])

    def on_trial_recover(self, *, trial: TuneTrial, **_info: Any) -> None:
        """Take note of a restart."""
        self._conductor.retrying(_pack(trial), _reason(trial))

    def on_trial_complete(self, *, trial: TuneTrial, **_info: Any) -> None:
        """Take note of a pack's end."""
        self._conductor.close(_pack(trial))

    def on_trial_error(self, *, trial: TuneTrial, **_info: Any) -> None:
        """Take note of a pack that failed for good."""
        self._conductor.close(_pack(trial), _reason(trial))


class Halt(_Unpickled, Stopper):  # type: ignore[misc]
    """Stops every Tune trial once the conductor is stopping."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def __call__(self, _trial_id: str, _result: dict[str, Any]) -> bool:
        """No result alone stops a trial."""
        return False

    def stop_all(self) -> bool:
        """Whether to stop everything."""
        return self._conductor.stopping


class PackFeed(_Unpickled, Searcher):  # type: ignore[misc]
    """Ray Tune's searcher interface over the conductor, which is its only state."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__(metric=None, mode=None)
        self._conductor = conductor

    def suggest(self, _trial_id: str) -> dict[str, Any] | str | None:
        """Return the next pack as a Tune config, None to wait, or ``FINISHED``."""
        pack = self._conductor.suggest()
        if pack == "done":
            return str(Searcher.FINISHED)
        return None if pack is None else {"pack": json.dumps(pack.to_dict())}

    def on_trial_complete(self, **_info: Any) -> None:
        """Nothing: results reach the conductor through the callback, the last one included."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: resume is by content address, never from a searcher's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see ``save``."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: see ``save``."""


def run_packs(conductor: Conductor, place: Workplace, slots: Slots, max_failures: int) -> None:
    """Run packs in Ray Tune until the conductor has no more, or somebody stops it.

    Ray must be running.
    """
    conductor.slots = slots.packs
    with _interruptible(conductor), tempfile.TemporaryDirectory(prefix="tass-tune-") as folder:
        Tuner(
            _trainable(place, slots, max_failures),
            tune_config=TuneConfig(
                search_alg=PackFeed(conductor),
                num_samples=-1,
                reuse_actors=slots.workers == 1,
                trial_name_creator=lambda trial: f"pack-{trial.trial_id}",
                trial_dirname_creator=lambda trial: f"pack-{trial.trial_id}",
            ),
            run_config=RunConfig(
                name="packs",
                storage_path=folder,
                callbacks=[PackCallback(conductor)],
                stop=Halt(conductor),
                failure_config=FailureConfig(max_failures=max_failures),
                verbose=0,
            ),
        ).fit()
    conductor.give_back()


def _trainable(place: Workplace, slots: Slots, max_failures: int) -> Any:
    if slots.workers == 1:
        wanted = {"cpu": slots.cpus} | ({"gpu": slots.gpus} if slots.gpus else {})
        return tune.with_resources(tune.with_parameters(run_pack, place=place), wanted)
    function = tune.with_parameters(
        run_pack_on_workers, place=place, slots=slots, max_failures=max_failures
    )
    return tune.with_resources(function, {"cpu": COORDINATOR_CPUS})


@contextmanager
def _interruptible(conductor: Conductor) -> Iterator[None]:
    """Turn the first Ctrl-C (or SIGTERM) into a clean stop, the second into an exception."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if conductor.stopping:
            raise KeyboardInterrupt
        conductor.stopping = True
        conductor.watcher.note("Stopping after what is saved; press Ctrl-C again to force it.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pack(trial: TuneTrial) -> Pack:
    return Pack.from_dict(json.loads(trial.config["pack"]))


def _reason(trial: TuneTrial) -> str:
    """Return one line that says why a trial's process failed; the log gets all of it."""
    try:
        text = Path(trial.error_file).read_text()
    except (OSError, TypeError):
        return "its process ended without a word"
    text = text[text.rfind("Failure # ") :]
    logger.warning("pack failed:\n%s", text)
    return summarise(text)


def summarise(text: str) -> str:
    """Return the one line of a Ray error that a person wants to read."""
    for mark, words in _WORDS.items():
        if mark in text:
            return words
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "its process ended without a word"
