"""Importing the optional libraries, with words for people when they are not there."""

from __future__ import annotations

import importlib
from typing import Any

from tass_core.errors import DataError


def need(module: str) -> Any:
    """Import a library of the extra ``[extract]``.

    Raises:
        DataError: it is not installed, or does not work with the installed torch.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(
            f"extracting features from videos needs '{module}', which is not installed: "
            "pip install 'tass-lab[extract]'"
        ) from None
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"'{module}' does not work with the installed torch ({str(error)[:120]}): install the "
            "builds that belong together, for instance "
            "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
        ) from None
