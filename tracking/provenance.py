"""What a sweep ran on: versions of the libraries that decide results, and the machine."""

from __future__ import annotations

import functools
import getpass
import os
import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("tass-lab", "torch", "numpy", "ray", "optuna", "mlflow")


@functools.cache
def environment() -> dict[str, str]:
    """Return name -> version or description, of this process and its machine."""
    # Whoever only reads this module's names need not wait for torch.
    import torch

    from tass_core.devices import device_name

    gpus = torch.cuda.device_count()
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "system": platform.platform(),
        "processor": f"{device_name('cpu')}, {os.cpu_count()} cores",
        "gpu": f"{gpus} x {device_name('cuda')}" if gpus else "none",
    }


def describe_environment() -> str:
    """Return where this process computes, and what may change a trial's last bits, in one line."""
    import torch

    here = environment()
    device = here["processor"]
    if torch.cuda.is_initialized():
        device = f"{here['gpu']}, CUDA {torch.version.cuda}"
    libraries = ", ".join(f"{name} {here[name]}" for name in ("tass-lab", "torch", "numpy"))
    return f"{platform.node()}: {device}; Python {here['python']}, {libraries}"


def user() -> str:
    """Return the name of who runs this process; containers may know none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
