"""Random numbers as pure functions of a seed and a name, so that trials can share them.

Nothing here keeps a state. Initial weights are addressed by (seed, parameter name), data
order by (seed, epoch) and dropout masks by (seed, epoch, step, module, row of the batch):
removing a module shifts nobody else's numbers, a resumed trial draws what it would have
drawn, and a worker that holds half of a batch draws its half of the mask.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from tass_core.systems.protocol import Noise

_MASK = 0xFFFFFFFF


def derive_seed(*parts: object) -> int:
    """Return a 63-bit seed that depends on every part and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """Return NumPy's generator for ``derive_seed(*parts)``."""
    return np.random.Generator(np.random.PCG64(derive_seed(*parts)))


def keyed_uniform(key: Tensor, rows: Tensor, columns: int) -> Tensor:
    """Return uniform numbers in [0, 1) that depend on (key, row, column) alone.

    An integer hash in tensor arithmetic: the same bits on every device, under ``vmap`` and
    for every way of splitting the rows over workers.

    Args:
        key: [] int64, from ``derive_seed`` cut to 32 bits.
        rows: [B] int64, each row's place in the whole batch.
        columns: numbers drawn for each row.

    Returns:
        [B, columns] float32.
    """
    column = torch.arange(columns, device=rows.device)
    bits = _scramble(_scramble(rows + key)[:, None] + column * 0x9E3779B9)
    return (bits >> 8).to(torch.float32) * 2.0**-24


def _scramble(bits: Tensor) -> Tensor:
    """Mix 32-bit integers held in int64; every input bit reaches every output bit."""
    bits = bits & _MASK
    bits = ((bits ^ (bits >> 16)) * 0x7FEB352D) & _MASK
    bits = ((bits ^ (bits >> 15)) * 0x846CA68B) & _MASK
    return bits ^ (bits >> 16)


class KeyedDropout(nn.Module):
    """Dropout whose mask is a function of (noise key, module name, row), without state.

    Attributes:
        probability: share of the values set to zero in training.
        name: keeps the masks of two modules apart.
    """

    def __init__(self, probability: float, name: str) -> None:
        super().__init__()
        self.probability = probability
        self.name = name
        self.salt = derive_seed("dropout", name) & _MASK

    def forward(self, values: Tensor, noise: Noise | None) -> Tensor:
        """Drop values [B, ...], whose rows ``noise`` names; None means evaluation."""
        if noise is None or self.probability == 0.0:
            return values
        key = _scramble(noise.key ^ self.salt)
        drawn = keyed_uniform(key, noise.rows, math.prod(values.shape[1:])).view(values.shape)
        keep = drawn >= self.probability
        return values * keep / (1.0 - self.probability)


def noise_key(seed: int, epoch: int, step: int, device: str = "cpu") -> Tensor:
    """Return the [] int64 key of one training step's dropout masks, made where it is used."""
    key = derive_seed("noise", seed, epoch, step) & _MASK
    return torch.full((), key, dtype=torch.int64, device=device)


def initialise(network: nn.Module, seed: int) -> None:
    """Give every parameter its initial value from (seed, its name).

    The distributions are torch's defaults: uniform in ±1/sqrt(fan-in) for linear layers,
    ±1/sqrt(hidden) for LSTMs, standard normal for embeddings. Layers of other kinds draw by
    their own ``reset_parameters``, from a generator that depends on (seed, their name).

    Raises:
        TypeError: a module has parameters and no ``reset_parameters``.
    """
    # From the inside out: a MultiheadAttention also sets values of the layer that it holds.
    for name, module in reversed(list(network.named_modules())):
        own = list(module.named_parameters(name, recurse=False))
        if isinstance(module, nn.Linear):
            _uniform(own, 1.0 / math.sqrt(module.in_features), seed)
        elif isinstance(module, nn.LSTM):
            _uniform(own, 1.0 / math.sqrt(module.hidden_size), seed)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, generator=_source(seed, f"{name}.weight"))
        elif own:
            _reset(module, derive_seed("init", seed, name))


def _uniform(parameters: list[tuple[str, nn.Parameter]], bound: float, seed: int) -> None:
    for name, parameter in parameters:
        nn.init.uniform_(parameter, -bound, bound, generator=_source(seed, name))


def _source(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed("init", seed, name))


def _reset(module: nn.Module, seed: int) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if reset is None:
        raise TypeError(
            f"{type(module).__name__} has parameters of its own and no reset_parameters() that "
            "gives them their initial values"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reset()
