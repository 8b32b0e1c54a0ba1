"""What a sweep would do, found out without doing it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobs.choices import Keep, Search
from jobs.cluster.resources import Resources
from jobs.cluster.session import find_slots
from jobs.machine.measured import bench_path, read_bench
from jobs.packing import choose_packs
from jobs.packs import Pack
from jobs.planning.estimate import (
    Estimate,
    Pace,
    checkpoint_bytes,
    costs,
    estimate,
    estimate_by_pace,
)
from jobs.storage import Storage
from search_spaces.plan import Plan
from tass_core.config import TrialConfig, digest
from tass_core.data.folder.dataset import Dataset
from tass_core.files import user_cache, write_atomically
from tass_core.trial import Trial, trial_key
from tracking.reader import COSTS, Reader, TrialRun
from tracking.uris import sqlite_path


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan, with what is there already and what it will cost."""

    plan: Plan
    held: frozenset[str]
    """Keys of the trials that MLflow holds."""
    packs: tuple[Pack, ...]
    slots: int
    time: Estimate | None
    checkpoints: int | None
    """Bytes of kept weights; None when unknown."""
    search: Search | None
    alike: tuple[tuple[str, ...], ...] = ()
    """Names of variants that compute one function on random batches, where that was tried."""

    @property
    def shared(self) -> int:
        """Trials that more than one table row uses."""
        return sum(len(rows) > 1 for rows in self.plan.uses().values())

    def to_dict(self) -> dict[str, Any]:
        """Return the preview in the schema that docs/sweeps.md describes."""
        plan, uses = self.plan, self.plan.uses()
        described = plan.to_dict()
        trials = [
            {
                "key": key,
                "variant": plan.name(key),
                "config_hash": trial.config.hash(),
                "seed": trial.seed,
                "rows": uses[key],
                "held": key in self.held,
            }
            for key, trial in plan.trials.items()
        ]
        time, search = self.time, self.search
        return {
            "sweep": plan.sweep,
            "dataset": described["dataset"],
            "base": described["base"],
            "seeds": described["seeds"],
            "training_version": described["training_version"],
            "tables": described["tables"],
            "variants": described["variants"],
            "trials": trials,
            "one_function": [
                {"table": table, "rows": list(found.rows), "fields": list(found.fields)}
                for table, groups in plan.twins().items()
                for found in groups
            ],
            "alike": [list(names) for names in self.alike],
            "counts": {
                "variants": len(plan.variants),
                "trials": len(plan.trials),
                "shared": self.shared,
                "held": len(self.held),
                "missing": len(plan.trials) - len(self.held),
                "packs": len(self.packs),
                "packs_at_once": self.slots,
            },
            "packs": [{"key": pack.key, "trials": list(pack.members)} for pack in self.packs],
            "seconds": time
            and {
                "expected": time.seconds,
                "low": time.low,
                "high": time.high,
                "past_trials": time.past_trials,
                "same_shape": time.same_shape,
                "source": time.source,
                "startup": time.startup,
            },
            "checkpoint_bytes": self.checkpoints,
            "search": search
            and {
                "trials": search.trials,
                "sampler": search.sampler,
                "pruner": search.pruner,
                "eta": search.eta,
                "min_epochs": search.min_epochs,
                "objectives": [it.metric for it in search.objectives],
                "constraints": list(map(str, search.constraints)),
                "confirm": search.confirm,
            },
        }


def preview(
    plan: Plan,
    dataset: Dataset,
    tracking_uri: str,
    storage: Storage,
    resources: Resources,
    keep: Keep,
    search: Search | None,
) -> Preview:
    """Return what a sweep would do now.

    For want of past trials, what ``tass-cli bench`` measured here tells the time.

    Args:
        plan: of a grid; empty for a search.
        dataset: what the plan was made for.
        tracking_uri: asked for past trials; a database that is not there yet is not made.
        storage: looked at for interrupted packs.
        resources: decide how many packs run at once.
        keep: which checkpoints stay.
        search: the budget of a search, or None.

    Raises:
        TrackingError: the store cannot be reached.
        SweepError: nor can the cluster, or not even one pack fits.
    """
    past, startup = _past(plan, tracking_uri)
    held = frozenset(key for key in plan.trials if key in past and past[key].state == "finished")
    missing = {key: trial for key, trial in plan.trials.items() if key not in held}
    slots = find_slots(resources)
    size, cost = resources.pack_size, costs(past)
    packs = choose_packs(missing, plan.trials, storage, size, slots.packs, cost)
    time = estimate(packs, past, slots.packs, startup)
    if time is None and (pace := _measured_pace(dataset, resources)) is not None:
        time = estimate_by_pace(packs, pace, slots.packs)
    kept = list(missing.values())[: keep.top] if keep.policy == "top" else list(missing.values())
    return Preview(
        plan=plan,
        held=held,
        packs=tuple(packs),
        slots=slots.packs,
        time=time if packs else None,
        checkpoints=0 if keep.policy == "none" else checkpoint_bytes(kept, past),
        search=search,
    )


def probe(plan: Plan, dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Return the names of a plan's variants that compute one function on random batches.

    What was found is kept in the user's cache under the address of what was tried.
    """
    variants = {
        trial_key(Trial(variant.config, 0), dataset.fingerprint): variant
        for variant in plan.variants.values()
    }
    path = user_cache() / "alike" / f"{digest(list(variants))[:16]}.json"
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = _alike([variant.config for variant in variants.values()], dataset)
        with suppress(OSError):  # a cache that takes nothing costs a second each time
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(path) as partial:
                partial.write_text(json.dumps(found))
    names = [variant.name for variant in variants.values()]
    return tuple(tuple(names[place] for place in group) for group in found)


def _alike(configs: Sequence[TrialConfig], dataset: Dataset) -> list[list[int]]:
    # Here, not above: they load torch, for which a plan that was made before does not wait.
    import torch

    from tass_core.training.probe import alike

    torch.set_num_threads(1)  # the networks are narrow: more threads would wait for each other
    return alike(configs, dataset.shapes)


def _past(plan: Plan, tracking_uri: str) -> tuple[Mapping[str, TrialRun], float | None]:
    """Return the trials that MLflow holds of the plan's dataset, and the last start-up."""
    database = sqlite_path(tracking_uri)
    if database is not None and not database.exists():
        return {}, None
    reader, dataset = Reader(tracking_uri), str(plan.dataset["name"])
    return reader.held(dataset, COSTS), reader.startup(dataset)


def _measured_pace(dataset: Dataset, resources: Resources) -> Pace | None:
    """Return the pace that ``tass-cli bench`` found here, or None when it never ran."""
    found = read_bench(bench_path())
    if found is None:
        return None
    train, val = (len(dataset.questions(split)) for split in ("train", "val"))
    import torch  # loaded already, with the figures

    # The figures are those of one GPU, or of all the cores.
    devices = torch.cuda.device_count() if resources.gpus_per_worker else 1

    def pace(config: TrialConfig, packs: int) -> float:
        return found.pace(config, dataset.shapes(config), train, val, -(-packs // max(1, devices)))

    return pace
