"""What autocast must not decide."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def lstm_precision(values: Tensor) -> AbstractContextManager[object]:
    """Return the context in which an LSTM reads ``values``.

    On CUDA it keeps float32: autocast would run LSTMs in float16, whatever type was asked for.
    """
    return torch.autocast("cuda", enabled=False) if values.is_cuda else nullcontext()
