"""What is asked of devices, as far as a machine without a GPU can tell."""

import pytest
import torch

from tass_core.devices import (
    device_for,
    device_name,
    memory_at_hand,
    memory_limit,
    prepare,
    synchronise,
)
from tass_core.errors import ConfigError


def test_a_worker_without_a_gpu_computes_on_the_cpu():
    assert device_for(0) == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_worker_with_a_gpu_that_does_not_work_fails_with_a_way_out():
    with pytest.raises(ConfigError, match=r"given 0\.5 GPU, but CUDA does not work here: .*train"):
        device_for(0.5)


def test_a_cpu_needs_nothing():
    before = torch.are_deterministic_algorithms_enabled()
    prepare("cpu")
    synchronise("cpu")
    assert torch.are_deterministic_algorithms_enabled() == before
    assert device_name("cpu")


def test_memory_at_hand_is_below_the_limit():
    assert 0 < memory_at_hand("cpu") <= memory_limit("cpu")
