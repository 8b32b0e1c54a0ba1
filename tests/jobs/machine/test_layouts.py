"""How packs share a machine: measured by real processes, chosen by rate and memory."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs.cluster.resources import Resources
from jobs.machine.bench import Bench, Step
from jobs.machine.layouts import Layout, best_layout, measure_layout, measure_layouts, resident_peak
from jobs.machine.sharing import share_machine
from jobs.machine.speed import PAPER
from tass_core.config import TrialConfig
from tass_core.devices import device_name
from tass_core.errors import DataError

CONFIG = TrialConfig().with_values({"model.width": 32, "optimiser.batch_size": 4})
SMALL = replace(PAPER, regions=4, visual=16)
GB = 10**9


def test_the_fastest_wins():
    slow, fast = Layout(1, 8, 10.0, GB), Layout(4, 2, 12.0, GB)
    assert best_layout([slow, fast], 100 * GB) == fast


def test_among_equals_the_fewest_threads_win():
    few, many = Layout(1, 8, 10.0, GB), Layout(4, 2, 10.3, GB)
    assert best_layout([many, few], 100 * GB) == few


def test_packs_that_do_not_fit_into_the_memory_together_lose():
    fast, fitting, alone = (
        Layout(1, 8, 20.0, 2 * GB),
        Layout(4, 2, 10.0, 2 * GB),
        Layout(8, 1, 5.0, 0),
    )
    assert best_layout([fast, fitting, alone], 20 * GB) == fast
    assert best_layout([fast, fitting, alone], 16 * GB) == fitting
    assert best_layout([fast, fitting, alone], GB) == alone


@pytest.mark.system
def test_processes_are_measured_together():
    found = measure_layout(CONFIG, SMALL, "cpu", 1, 2)
    assert (found.threads, found.packs) == (1, 2)
    assert found.rate > 0
    assert found.pack_bytes > 10**7


@pytest.mark.system
def test_every_core_is_used_by_every_layout():
    cores = os.cpu_count()
    alone, *found = measure_layouts(CONFIG, SMALL, "cpu", 7.0)
    assert (alone.threads, alone.packs, alone.rate) == (torch.get_num_threads(), 1, 7.0)
    assert all(one.threads * one.packs > cores - one.threads for one in found)
    assert found[-1].threads == 1


def test_a_process_that_cannot_train_ends_the_measurement():
    with pytest.raises((DataError, threading.BrokenBarrierError)):
        measure_layout(CONFIG, Path("/nowhere"), "cpu", 1, 2)


@pytest.mark.system
def test_memory_is_a_process_s_own():
    held = np.ones(200_000_000)
    found = measure_layout(CONFIG, SMALL, "cpu", 1, 1)
    assert held.nbytes < resident_peak()
    assert found.pack_bytes < held.nbytes


@pytest.fixture
def bench():
    step = Step("all", 1e9, {1: 10.0, 2: 11.0}, (Layout(1, 8, 20.0, 0), Layout(4, 2, 30.0, 0)))
    return Bench(
        device=device_name("cpu"),
        cores=os.cpu_count(),
        threads=8,
        torch="2",
        at=0.0,
        precision="float32",
        matmul_flops=1e12,
        bandwidth=1e10,
        steps=(step,),
        dataset="all",
        epoch_seconds=2.0,
        epochs=10,
        process_seconds=1.0,
        pack_seconds=0.1,
    )


def test_a_sweep_takes_the_threads_that_were_found_best(bench):
    found, said = share_machine(Resources(), bench, CONFIG, SMALL)
    assert found.cpus_per_worker == 4.0
    assert said == "4 CPU(s) to a pack, as tass-cli bench found best here"


@pytest.mark.parametrize(
    "resources",
    [
        Resources(cpus_per_worker=2.0),
        Resources(address="auto"),
        Resources(workers_per_pack=2),
        Resources(gpus_per_worker=1.0),
    ],
)
def test_nothing_is_chosen_for_who_decided_or_works_elsewhere(bench, resources):
    found, sentence = share_machine(resources, bench, CONFIG, SMALL)
    assert (found.cpus_per_worker, sentence) == (resources.cpus_per_worker, None)


def test_figures_of_another_machine_are_not_used(bench):
    for other in (replace(bench, device="abacus"), replace(bench, cores=bench.cores + 1)):
        found, sentence = share_machine(Resources(), other, CONFIG, SMALL)
        assert (found.cpus_per_worker, sentence) == (None, None)
