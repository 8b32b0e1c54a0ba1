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

from tass_core.systems.protocol import Batch, Noise, Stage

logger = logging.getLogger(__name__)

Backward = Callable[[Batch, Noise, Stage], Tensor]
"""Takes a batch, its noise and the stage; leaves gradients on the parameters and returns the
losses."""

Record = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Records what a function does to the device; returns its result, which every call of the
replay that comes with it fills anew."""

WARM_UP = 2
"""Steps of a shape before it is recorded: libraries choose their kernels in the first."""
MOST = 8
"""Shapes that are recorded; each holds a batch and a set of gradients."""
SPARE = 0.25
"""Share of the device's memory that must be free to record another."""
DOUBT, NOISE = 0.02, 1e-4
"""How far a replay's losses and gradients may be from the plain step's: relative to their own
norm, and to the largest gradient's, for those that consist of rounding."""


def graphed(backward: Backward, parameters: Iterable[Tensor], device: str) -> Backward:
    """Return ``backward``, on CUDA such that it replays graphs of itself."""
    if not device.startswith("cuda"):
        return backward
    place = torch.device(device)
    pool, side = torch.cuda.graph_pool_handle(), torch.cuda.Stream(place)

    def record(run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        # The outer stream is back whatever becomes of the recording.
        with torch.cuda.device(place), torch.cuda.stream(torch.cuda.current_stream(place)):
            graph = torch.cuda.CUDAGraph()
            # The thread that reads the next batches may allocate meanwhile.
            with torch.cuda.graph(graph, pool, side, capture_error_mode="thread_local"):
                values = run()
        return values, graph.replay

    def has_room() -> bool:
        with torch.cuda.device(place):
            torch.cuda.empty_cache()  # what this process keeps for itself counts as free
            free, total = torch.cuda.mem_get_info()
        return free >= SPARE * total

    return Graphs(backward, parameters, record, has_room)


@dataclass(slots=True)
class _Graph:
    batch: Batch
    noise: Noise
    values: Tensor
    gradients: list[Tensor | None]
    replay: Callable[[], None]
    proven: bool = False


class Graphs:
    """Replays steps of shapes that it has recorded; takes the others plainly.

    A recording is used once it has given the plain step's numbers for a batch other than its
    own. Should they differ, or should recording fail, all steps are plain ones from there.

    Args:
        backward: the plain step.
        parameters: those that get gradients from it.
        record: see ``Record``.
        has_room: whether the device has memory for another recording; once it has not, no more
            are made, and those that there are stay.
    """

    def __init__(
        self,
        backward: Backward,
        parameters: Iterable[Tensor],
        record: Record,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._backward, self._record, self._has_room = backward, record, has_room
        self._parameters = list(parameters)
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._trusted, self._most = True, MOST

    def __call__(self, batch: Batch, noise: Noise, stage: Stage) -> Tensor:
        """Return the losses and leave gradients, valid until the next call."""
        shape = _shape(batch, stage)
        graph = self._graphs.get(shape)
        if graph is not None and graph.proven:
            return self._replay(graph, batch, noise)
        values = self._backward(batch, noise, stage)
        plain = self._gradients()
        self._seen[shape] += 1
        try:
            if graph is not None:
                self._prove(graph, batch, noise, values)
            elif self._wanted(shape):
                self._graphs[shape] = self._recorded(batch.map(Tensor.clone), noise, stage)
        except RuntimeError as error:
            # A failed capture ends in an error of its own, which only follows from the cause.
            self._give_up(str(error.__context__ or error).partition("\n")[0])
        self._put(plain)
        return values

    def _wanted(self, shape: tuple[object, ...]) -> bool:
        often = self._seen[shape] > WARM_UP and len(self._graphs) < self._most
        if not (self._trusted and often):
            return False
        if not self._has_room():
            self._most = 0
        return self._most > 0

    def _recorded(self, still: Batch, noise: Noise, stage: Stage) -> _Graph:
        key = Noise(noise.key.clone(), still.rows)
        values, replay = self._record(lambda: self._backward(still, key, stage))
        return _Graph(still, key, values, self._gradients(), replay)

    def _prove(self, graph: _Graph, batch: Batch, noise: Noise, values: Tensor) -> None:
        """Compare a replay with the plain step, whose gradients are in place."""
        plain = self._gradients()
        found = self._replay(graph, batch, noise)
        graph.proven = _alike(found, values) and _alike_all(graph.gradients, plain)
        if not graph.proven:
            self._give_up("a replay gave other numbers than the step")

    def _give_up(self, reason: str) -> None:
        logger.warning("steps are not replayed from CUDA graphs: %s", reason)
        self._trusted = False
        self._graphs.clear()

    def _replay(self, graph: _Graph, batch: Batch, noise: Noise) -> Tensor:
        for held, given in zip(_tensors(graph.batch), _tensors(batch), strict=True):
            held.copy_(given)
        graph.noise.key.copy_(noise.key)
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


def _shape(batch: Batch, stage: Stage) -> tuple[object, ...]:
    """Return all that a recording depends on beside the tensors' values."""
    names = tuple(item.name for item in fields(batch) if getattr(batch, item.name) is not None)
    shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in _tensors(batch))
    return names, shapes, batch.slots, batch.first_video, stage


def _alike_all(found: list[Tensor | None], wanted: list[Tensor | None]) -> bool:
    """Whether gradients are the same up to rounding, which is all that some consist of."""
    norms = [one.norm() for one in wanted if one is not None]
    rounding = NOISE * torch.nan_to_num(torch.stack(norms)).max()
    return all(
        (one is None and other is None)
        or (one is not None and other is not None and _alike(one, other, rounding))
        for one, other in zip(found, wanted, strict=True)
    )


def _alike(found: Tensor, wanted: Tensor, rounding: Tensor | float = 0.0) -> bool:
    """Whether two tensors are near each other; what is not finite must be so in both."""
    if not torch.equal(found.isfinite(), wanted.isfinite()):
        return False
    apart = torch.nan_to_num(found - wanted, 0.0, 0.0, 0.0).norm()
    norm = torch.nan_to_num(wanted, 0.0, 0.0, 0.0).norm()
    return bool(apart <= DOUBT * norm + rounding)
