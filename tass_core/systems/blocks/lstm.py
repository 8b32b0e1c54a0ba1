"""What autocast must not decide."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def lstm_precision(values: Tensor) -> AbstractContextManager[object]:
    """Return the context in which an LSTM reads ``values``.

    On CUDA it keeps float32: autocast would run LSTMs in float16, whatever type was asked for.
    """
    return torch.autocast("cuda", enabled=False) if values.is_cuda else nullcontext()


def run_lstm(lstm: nn.Module, values: Tensor) -> Tensor:
    """Return the states [B, T, D] of an LSTM over values [B, T, C]."""
    with lstm_precision(values):
        states: Tensor = lstm(values.float() if values.is_cuda else values)[0]
    return states
