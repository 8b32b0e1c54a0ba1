"""A step's forward and backward pass, captured once as a CUDA graph and replayed.

A step of a small model is hundreds of kernels, each of which takes longer to launch than to
run; a graph launches them all at once. It is tied to the shapes it was captured with, so there
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

Capture = Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]
"""Captures what a function does on the device: returns its static output, and the replay that
fills it anew."""

WARM_UP = 2
"""Eager steps of a shape before its capture: cuBLAS and cuDNN choose their kernels in the first."""
MAX_GRAPHS = 8
"""Shapes that are captured; each graph holds a batch and a set of gradients."""
MIN_FREE_MEMORY = 0.25
"""Share of the device's memory that must be free to capture another graph."""
RTOL, ATOL = 1e-5, 1e-6
"""Tolerance of a replay's losses and gradients against the eager step's: float32's rounding,
relative to their own norm, and to the largest gradient's, for those that consist of rounding."""


def graphed(backward: Backward, parameters: Iterable[Tensor], device: str) -> Backward:
    """Return ``backward``, on CUDA such that it replays graphs of itself."""
    if not device.startswith("cuda"):
        return backward
    place = torch.device(device)
    pool, side = torch.cuda.graph_pool_handle(), torch.cuda.Stream(place)

    def capture(run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        # The outer stream is back whatever becomes of the capture.
        with torch.cuda.device(place), torch.cuda.stream(torch.cuda.current_stream(place)):
            graph = torch.cuda.CUDAGraph()
            # The thread that reads the next batches may allocate meanwhile.
            with torch.cuda.graph(graph, pool, side, capture_error_mode="thread_local"):
                values = run()
        return values, graph.replay

    def has_memory() -> bool:
        with torch.cuda.device(place):
            torch.cuda.empty_cache()  # what this process keeps for itself counts as free
            free, total = torch.cuda.mem_get_info()
        return free >= MIN_FREE_MEMORY * total

    return Graphs(backward, parameters, capture, has_memory)


@dataclass(slots=True)
class _Graph:
    batch: Batch
    noise: Noise
    values: Tensor
    gradients: list[Tensor | None]
    replay: Callable[[], None]
    verified: bool = False


class Graphs:
    """Replays steps of shapes that it has captured; runs the others eagerly.

    A graph is used once its replay matched the eager step, within the tolerance, for a batch
    other than the captured one. Should it not, or should a capture fail, all further steps are
    eager.

    Args:
        backward: the eager step.
        parameters: those that get gradients from it.
        capture: see ``Capture``.
        has_memory: whether the device has memory for another graph; once it has not, no more
            are captured, and those that there are stay.
    """

    def __init__(
        self,
        backward: Backward,
        parameters: Iterable[Tensor],
        capture: Capture,
        has_memory: Callable[[], bool] = lambda: True,
    ) -> None:
        self._backward, self._capture, self._has_memory = backward, capture, has_memory
        self._parameters = list(parameters)
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._enabled, self._most = True, MAX_GRAPHS

    def __call__(self, batch: Batch, noise: Noise, stage: Stage) -> Tensor:
        """Return the losses and leave gradients, valid until the next call."""
        shape = _shape(batch, stage)
        graph = self._graphs.get(shape)
        if graph is not None and graph.verified:
            return self._replay(graph, batch, noise)
        values = self._backward(batch, noise, stage)
        eager = self._gradients()
        self._seen[shape] += 1
        try:
            if graph is not None:
                self._verify(graph, batch, noise, values)
            elif self._wanted(shape):
                self._graphs[shape] = self._captured(batch.map(Tensor.clone), noise, stage)
        except RuntimeError as error:
            # A failed capture ends in an error of its own, which only follows from the cause.
            self._give_up(str(error.__context__ or error).partition("\n")[0])
        self._put(eager)
        return values

    def _wanted(self, shape: tuple[object, ...]) -> bool:
        often = self._seen[shape] > WARM_UP and len(self._graphs) < self._most
        if not (self._enabled and often):
            return False
        if not self._has_memory():
            self._most = 0
        return self._most > 0

    def _captured(self, static: Batch, noise: Noise, stage: Stage) -> _Graph:
        key = Noise(noise.key.clone(), static.rows)
        values, replay = self._capture(lambda: self._backward(static, key, stage))
        return _Graph(static, key, values, self._gradients(), replay)

    def _verify(self, graph: _Graph, batch: Batch, noise: Noise, values: Tensor) -> None:
        """Compare a replay with the eager step, whose gradients are in place."""
        eager = self._gradients()
        found = self._replay(graph, batch, noise)
        graph.verified = _alike(found, values) and _alike_all(graph.gradients, eager)
        if not graph.verified:
            self._give_up("a replay gave other numbers than the eager step")

    def _give_up(self, reason: str) -> None:
        logger.warning("steps are not replayed from CUDA graphs: %s", reason)
        self._enabled = False
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
    """Return all that a graph depends on beside the tensors' values."""
    names = tuple(item.name for item in fields(batch) if getattr(batch, item.name) is not None)
    shapes = tuple((tuple(tensor.shape), tensor.dtype) for tensor in _tensors(batch))
    return names, shapes, batch.slots, batch.first_video, stage


def _alike_all(found: list[Tensor | None], wanted: list[Tensor | None]) -> bool:
    """Whether gradients are the same up to rounding, which is all that some consist of."""
    norms = [one.norm() for one in wanted if one is not None]
    rounding = ATOL * torch.nan_to_num(torch.stack(norms)).max()
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
    return bool(apart <= RTOL * norm + rounding)
