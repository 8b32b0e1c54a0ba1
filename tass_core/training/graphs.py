"""A step's forward and backward pass, recorded once as a CUDA graph and replayed.

A step of a small model is hundreds of kernels, each of which takes longer to launch than to
run; a graph launches them all at once. It is tied to the shapes it was recorded with, so there
is one for every shape of batch that comes again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tass_core.model import Batch

logger = logging.getLogger(__name__)

Backward = Callable[[Batch, Tensor, bool], Tensor]
"""Takes a batch, its noise key and whether the match task trains alone; leaves gradients on the
parameters and returns the losses."""

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Records what a function does to the device; returns its result, which every call of the
replay that comes with it fills anew."""

WARM_UP = 2
"""Steps of a shape before it is recorded: libraries choose their kernels in the first."""
MOST = 16
"""Shapes that are recorded; each holds a step's memory."""
DOUBT = 0.02
"""Relative distance of a replay's losses and gradients from those of the plain step at which the
recording is not trusted; rounding alone is far below it, in bfloat16 too."""


def graphed(backward: Backward, parameters: Iterable[Tensor], device: str) -> Backward:
    """Return ``backward``, on CUDA such that it replays graphs of itself."""
    if not device.startswith("cuda"):
        return backward
    pool = torch.cuda.graph_pool_handle()

    def record(run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        # The thread that reads the next batches may allocate meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            values = run()
        return values, graph.replay

    return Graphs(backward, parameters, record)


@dataclass(frozen=True, slots=True)
class _Graph:
    batch: Batch
    noise: Tensor
    values: Tensor
    gradients: list[Tensor | None]
    replay: Callable[[], None]


class Graphs:
    """Replays steps of shapes that it has recorded; takes the others plainly.

    A recording is compared with the plain step before it is used. Should they differ, or
    should recording fail, all steps are plain ones from there.

    Args:
        backward: the plain step.
        parameters: those that get gradients from it.
        record: see ``Record``.
    """

    def __init__(self, backward: Backward, parameters: Iterable[Tensor], record: Record) -> None:
        self._backward, self._record = backward, record
        self._parameters = list(parameters)
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._trusted = True

    def __call__(self, batch: Batch, noise: Tensor, match_only: bool) -> Tensor:
        """Return the losses and leave gradients, valid until the next call."""
        shape = _shape(batch, match_only)
        if shape in self._graphs:
            return self._replay(self._graphs[shape], batch, noise)
        self._seen[shape] += 1
        values = self._backward(batch, noise, match_only)
        wanted = self._seen[shape] > WARM_UP and len(self._graphs) < MOST
        # An LSTM that packs by word counts reads them on the CPU: no graph can hold that.
        if wanted and self._trusted and batch.tokens is None:
            self._try(shape, batch, noise, match_only, values)
        return values

    def _try(
        self,
        shape: tuple[object, ...],
        batch: Batch,
        noise: Tensor,
        match_only: bool,
        values: Tensor,
    ) -> None:
        """Record a shape, unless that fails; the plain step's gradients stay in place."""
        plain = self._gradients()
        still, key = batch.map(Tensor.clone), noise.clone()
        try:
            found, replay = self._record(lambda: self._backward(still, key, match_only))
            graph = _Graph(still, key, found, self._gradients(), replay)
            replay()
            if _alike([found, *graph.gradients], [values, *plain]):
                self._graphs[shape] = graph
            else:
                self._give_up("a replay gave other numbers than the step")
        except RuntimeError as error:
            self._give_up(str(error).partition("\n")[0])
        self._put(plain)

    def _give_up(self, reason: str) -> None:
        logger.warning("steps are not replayed from CUDA graphs: %s", reason)
        self._trusted = False
        self._graphs.clear()

    def _replay(self, graph: _Graph, batch: Batch, noise: Tensor) -> Tensor:
        for held, given in zip(_tensors(graph.batch), _tensors(batch), strict=True):
            held.copy_(given)
        graph.noise.copy_(noise)
        graph.replay()
        self._put(graph.gradients)
        return graph.values

    def _gradients(self) -> list[Tensor | None]:
        return [parameter.grad for parameter in self._parameters]

    def _put(self, gradients: list[Tensor | None]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient


def _tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    batch.map(note)
    return found


def _shape(batch: Batch, match_only: bool) -> tuple[object, ...]:
    """Return all that a recording depends on beside the tensors' values."""
    names = tuple(item.name for item in fields(batch) if getattr(batch, item.name) is not None)
    shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in _tensors(batch))
    return names, shapes, batch.slots, batch.first_video, match_only


def _alike(found: list[Tensor | None], wanted: list[Tensor | None]) -> bool:
    for one, other in zip(found, wanted, strict=True):
        if (one is None) != (other is None):
            return False
        if one is not None and other is not None:
            apart, norm = (one - other).norm(), other.norm()
            if not bool(apart <= DOUBT * norm + 1e-6):
                return False
    return True
