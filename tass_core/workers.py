"""The workers that train one pack together, which ``torch.distributed`` connects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """This worker's place among those that train one pack together; alone, all is its own."""

    rank: int = 0
    world_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this worker decides and writes for all."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Return this worker's part of ``count`` things that lie in a row."""
        low, high = (count * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return slice(low, high)

    def of_first(self, value: T) -> T:
        """Return worker 0's value on every worker."""
        if self.world_size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def of_all(self, value: T) -> list[T]:
        """Return the values of all workers, in the order of their ranks."""
        if self.world_size == 1:
            return [value]
        values: list[T] = [value] * self.world_size
        torch.distributed.all_gather_object(values, value)
        return values

    def add_up(self, parameters: Sequence[nn.Parameter], values: Tensor) -> None:
        """Replace gradients and ``values`` by their sums over the workers, in one exchange.

        A worker without a question has no gradients, which count as zeros. A parameter that
        has none on any worker keeps none, so that Adam passes over it as on a single worker.
        """
        if self.world_size == 1:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        present = values.new_tensor([float(p.grad is not None) for p in parameters])
        parts = [*grads, values, present]
        flat = torch.cat([part.flatten().to(values.dtype) for part in parts])
        torch.distributed.all_reduce(flat)
        for part, found in zip(parts, flat.split([part.numel() for part in parts]), strict=True):
            part.copy_(found.view_as(part))
        for parameter, grad, found in zip(parameters, grads, present.tolist(), strict=True):
            parameter.grad = grad if found else None
