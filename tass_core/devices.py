"""Devices: their names, their memory, and what of determinism can be asked of them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import torch
from torch.utils import deterministic

from tass_core.errors import ConfigError


def device_for(gpus: float) -> str:
    """Return where a worker computes that was given this many GPUs.

    Raises:
        ConfigError: it was given one, and CUDA does not work here.
    """
    if gpus <= 0:
        return "cpu"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"this worker was given {gpus:g} GPU, but CUDA does not work here: {reason}; mend the "
            "driver (nvidia-smi), install torch with CUDA, or train with --gpus-per-worker 0"
        ) from None
    return "cuda"


def prepare(device: str) -> None:
    """Ask torch for full float32 and for deterministic kernels before a device is first used.

    On a CPU both are given. On CUDA cuBLAS gets a workspace of its own for each stream, and
    torch takes deterministic kernels where it has them and warns where it has none. Two
    machines, or two versions of CUDA, may differ all the same.
    """
    if not device.startswith("cuda"):
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it
    torch.backends.cudnn.allow_tf32 = False  # matmuls keep float32; cuDNN's LSTMs would not


def device_name(device: str) -> str:
    """Return the model's name, as its maker gives it."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory_at_hand(device: str) -> int:
    """Return the bytes that this process may still take; no bound where the system tells none."""
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            free, total = torch.cuda.mem_get_info()
            return int(min(free, torch.cuda.get_per_process_memory_fraction() * total))
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return sys.maxsize
    found = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024 * found[0] if found else sys.maxsize


def memory_limit(device: str) -> int:
    """Return the bytes that this process may take in all, whatever others take now."""
    if device.startswith("cuda"):
        total = torch.cuda.get_device_properties(device).total_memory
        return int(torch.cuda.get_per_process_memory_fraction(device) * total)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def synchronise(device: str) -> None:
    """Wait for the device, so that a clock reads what happened."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
