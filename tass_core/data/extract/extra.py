"""Importing the optional libraries, with words for people when they are not there."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from tass_core.errors import DataError

_PURPOSES = {
    "extract": "extracting features from videos",
    "render": "rendering videos, or reading them with the encoder lite,",
}
_ALONE = {"tinysoundfont": "pip install --no-deps tinysoundfont==0.3.7"}
"""What no extra has: its pyaudio wants a compiler, and nothing here plays aloud."""


def need(module: str, extra: Literal["extract", "render"] = "extract") -> Any:
    """Import a library of an optional extra.

    Raises:
        DataError: it is not installed, or does not work with the installed torch.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        command = _ALONE.get(module, f"pip install 'tass-lab[{extra}]'")
        raise DataError(
            f"{_PURPOSES[extra]} needs '{module}', which is not installed: {command}"
        ) from None
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"'{module}' does not work with the installed torch ({str(error)[:120]}): install the "
            "builds that belong together, for instance "
            "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
        ) from None
