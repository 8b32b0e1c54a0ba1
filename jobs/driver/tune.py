"""Ray Tune's assembly: one Tune trial is one pack, whatever decides which packs there are."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayError
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, TuneError, Tuner
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from jobs.cluster.resources import COORDINATOR_CPUS, Slots
from jobs.driver.conductor import Conductor
from jobs.driver.faults import SILENT, Fault, read_fault
from jobs.driver.signals import interrupt, on_interrupt
from jobs.packs import Pack
from jobs.worker.entry import elsewhere, run_pack, run_pack_on_workers
from jobs.worker.train import Workplace
from tass_core import TRAINING_VERSION
from tass_core.errors import TassError

logger = logging.getLogger(__name__)


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
        with _halting(self._conductor):
            self._conductor.receive(_pack(trial), result.get("events", ()), result.get("node"))

    def on_trial_complete(self, *, trial: TuneTrial, **_info: Any) -> None:
        """Take note of a pack's end."""
        with _halting(self._conductor):
            self._conductor.close(_pack(trial))

    def on_trial_error(self, *, trial: TuneTrial, **_info: Any) -> None:
        """Take note of a pack that failed for good."""
        with _halting(self._conductor):
            self._conductor.close(_pack(trial), _fault(trial))


class Halt(_Unpickled, Stopper):  # type: ignore[misc]
    """Stops a pack that shall go on elsewhere, and all of them once the conductor is stopping."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def __call__(self, _trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop the pack that a result comes from; nothing of it is lost."""
        return not self._conductor.stays(result.get("pack", ""))

    def stop_all(self) -> bool:
        """Whether to stop everything."""
        return self._conductor.stopping


class InOrder(_Unpickled, FIFOScheduler):  # type: ignore[misc]
    """Starts packs in their order, and takes back one that waits for a node that has gone."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """Return the next pack to start."""
        for trial in list(tune_controller.get_live_trials()):
            if trial.status == TuneTrial.PENDING and self._conductor.stranded(_pack(trial).key):
                tune_controller.stop_trial(trial)
        chosen: TuneTrial | None = super().choose_trial_to_run(tune_controller)
        return chosen


class PackFeed(_Unpickled, Searcher):  # type: ignore[misc]
    """Ray Tune's searcher interface over the conductor, which is its only state."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__(metric=None, mode=None)
        self._conductor = conductor

    def suggest(self, _trial_id: str) -> dict[str, Any] | str | None:
        """Return the next pack as a Tune config, None to wait, or ``FINISHED``."""
        pack: Pack | str | None = "done"
        with _halting(self._conductor):
            pack = self._conductor.suggest()
        if isinstance(pack, str):
            return str(Searcher.FINISHED)
        if pack is None:
            return None
        return {
            "pack": json.dumps(pack.to_dict()),
            "shunned": ",".join(self._conductor.shuns(pack.key)),
            "training_version": TRAINING_VERSION,
        }

    def on_trial_complete(self, **_info: Any) -> None:
        """Nothing: results reach the conductor through the callback, the last one included."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: resume is by content address, never from a searcher's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see ``save``."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: see ``save``."""


def run_packs(conductor: Conductor, place: Workplace, slots: Slots) -> None:
    """Run packs in Ray Tune until the conductor has no more, or has to stop.

    Ray must be running; when it goes away, the conductor is told.
    """
    # Tune hands a bucket's keys to workers in a way that Ray writes to its logs. Workers have them
    # from where their node was started.
    ENV_VARS_TO_PROPAGATE.difference_update(
        [name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
    )
    with (
        on_interrupt(lambda: _stop(conductor)),
        _halting(conductor),
        tempfile.TemporaryDirectory(prefix="tass-tune-") as folder,
    ):
        Tuner(
            _trainable(place, slots),
            tune_config=TuneConfig(
                search_alg=PackFeed(conductor),
                scheduler=InOrder(conductor),
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
                # Who starts again, and where, the conductor decides.
                failure_config=FailureConfig(max_failures=0),
                verbose=0,
            ),
        ).fit()
    conductor.give_back()


def _trainable(place: Workplace, slots: Slots) -> Any:
    """Return what Tune starts for a pack, on any node but those that the pack shuns."""
    wanted = {"CPU": COORDINATOR_CPUS}
    function = tune.with_parameters(run_pack_on_workers, place=place, slots=slots)
    if slots.workers == 1:
        wanted = {"CPU": slots.cpus} | ({"GPU": slots.gpus} if slots.gpus else {})
        function = tune.with_parameters(run_pack, place=place)

    def ask(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        selector = elsewhere(config)
        if not selector:
            return tune.PlacementGroupFactory([wanted])
        return tune.PlacementGroupFactory([wanted], bundle_label_selector=[selector])

    return tune.with_resources(function, ask)


@contextmanager
def _halting(conductor: Conductor) -> Iterator[None]:
    """Stop the sweep in good order when the driver's disk, or Ray itself, is in trouble.

    Tune would end at once, and nobody would say which trials are left.
    """
    try:
        yield
    except (TassError, OSError) as error:
        logger.exception("the driver cannot go on")
        conductor.halt(str(error))
    except (RayError, TuneError) as error:
        logger.exception("Ray cannot go on")
        conductor.halt(f"Ray ended the sweep: {read_fault(str(error)).reason}")


def _stop(conductor: Conductor) -> None:
    """Stop cleanly at the first Ctrl-C, and at once at the second."""
    if conductor.stopping:
        interrupt()
    conductor.stopping = True
    conductor.watcher.note("Stopping after what is saved; press Ctrl-C again to force it.")


def _pack(trial: TuneTrial) -> Pack:
    return Pack.from_dict(json.loads(trial.config["pack"]))


def _fault(trial: TuneTrial) -> Fault:
    """Return why a pack's process failed; the log gets all of it."""
    try:
        text = Path(trial.error_file).read_text()
    except (OSError, TypeError):
        return Fault(SILENT)
    text = text[text.rfind("Failure # ") :]
    logger.warning("pack failed:\n%s", text)
    return read_fault(text)
