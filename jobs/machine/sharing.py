"""How a sweep shares this machine among its packs where nobody said so: as it was measured."""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from jobs.cluster.resources import Resources, settle_gpus, this_machine
from jobs.machine.bench import Bench
from tass_core.config import TrialConfig
from tass_core.devices import device_name
from tass_core.systems.protocol import Shapes
from tass_core.training.width import MIN_SPEEDUP


def share_machine(
    resources: Resources, found: Bench, config: TrialConfig, shapes: Shapes
) -> tuple[Resources, str | None]:
    """Return the resources with the threads of a pack chosen, and a sentence on what was measured.

    Nothing is chosen for clusters, for packs of several workers, on GPUs, where
    ``--cpus-per-worker`` is given, or where the figures are not of this machine. Another number of
    threads adds up in another order: results then agree up to rounding.

    Args:
        resources: as a person asked for them.
        found: what ``tass-cli bench`` measured.
        config: the sweep's full model.
        shapes: of its features.
    """
    if resources.address is not None or resources.workers_per_pack > 1:
        return resources, None
    resources = settle_gpus(resources, [this_machine()])
    gpus = resources.gpus_per_worker or 0.0
    step = found.nearest(config, shapes)
    layout = step.layout
    if gpus > 0:
        here = torch.cuda.is_available() and found.device == device_name("cuda")
        alone, shared = step.rates[step.width], layout.rate
        if not here or gpus < 1 or shared <= MIN_SPEEDUP * alone:
            return resources, None
        return resources, (
            f"tass-cli bench found {layout.packs} packs on one GPU {shared / alone:.1f} times as "
            f"fast as one: try --gpus-per-worker {1 / layout.packs:g}"
        )
    same = (found.device, found.cores) == (device_name("cpu"), os.cpu_count())
    if resources.cpus_per_worker is not None or not same:
        return resources, None
    return replace(resources, cpus_per_worker=float(layout.threads)), (
        f"{layout.threads} CPU(s) to a pack, as tass-cli bench found best here"
    )
