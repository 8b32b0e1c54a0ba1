"""What a sweep ran on: versions of the libraries that decide results, and the machine."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from tass_core.devices import device_name

LIBRARIES = ("tass-lab", "torch", "numpy", "ray", "optuna", "mlflow")


@functools.cache
def environment() -> dict[str, str]:
    """Return name -> version or description, of this process and its machine."""
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "system": platform.platform(),
        "processor": f"{device_name('cpu')}, {os.cpu_count()} cores",
        "gpu": _gpu(),
    }


def describe_environment() -> str:
    """Return what may change a trial's last bits, in one line."""
    here = environment()
    return f"Python {here['python']}, torch {here['torch']}, {here['processor']}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _gpu() -> str:
    import torch

    count = torch.cuda.device_count()
    return f"{count} x {device_name('cuda')}" if count else "none"
