"""Batches on their way to a CUDA device: read and copied beside the computation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tass_core.batches.readers import Reader, Rows, as_tensor
from tass_core.devices import memory_at_hand
from tass_core.systems.protocol import Batch

PREFETCH = 3
"""Batches on the device at once: in use, ready, and on the way."""


class DeviceFrames:
    """Frames for a CUDA device: from its own memory, when they all fit there.

    A thread reads the batches that come next and copies them on a stream of its own, so that
    neither the device nor the thread that trains waits for a copy.

    Args:
        features: [V, T, P, C] float16.
        device: ``cuda`` or ``cuda:N``.
    """

    def __init__(self, features: npt.NDArray[np.float16], device: str) -> None:
        self._features, self._name = features, device
        self._readers: dict[torch.dtype, Reader] = {}
        self._stream = copies(device)
        self._device = self._stream.device

    def reader(self, dtype: torch.dtype) -> Reader:
        """Return the one reader of a dtype."""
        if dtype not in self._readers:
            held = RESIDENT.find(self._features, self._name)
            self._readers[dtype] = (
                PinnedRows(self._features, dtype, self._name)
                if held is None
                else ResidentRows(held, dtype)
            )
        return self._readers[dtype]

    def batches(
        self,
        count: int,
        build: Callable[[int], Batch],
        needed: Callable[[int], Rows],  # noqa: ARG002  (the thread reads ahead)
    ) -> Iterator[Batch]:
        """Yield ``build(0)``, ``build(1)``, ... on the device, in order on the current stream.

        The thread that takes them is never held up by the device but by running further ahead
        of it than ``PREFETCH`` batches, whose memory is bounded so.
        """
        used: deque[torch.cuda.Event] = deque(maxlen=PREFETCH - 1)

        def send(step: int, free: torch.cuda.Event | None) -> tuple[Batch, torch.cuda.Event]:
            if free is not None:
                free.synchronize()
            with torch.cuda.stream(self._stream):
                batch = build(step).map(lambda tensor: to_device(tensor, self._device))
                return batch, self._stream.record_event()

        # A thread begins on the first device, whichever this one is on.
        set_device = partial(torch.cuda.set_device, self._device)
        with ThreadPoolExecutor(max_workers=1, initializer=set_device) as thread:
            following = thread.submit(send, 0, None) if count else None
            for step in range(count):
                assert following is not None
                batch, arrived = following.result()
                if step + 1 < count:
                    free = used[0] if len(used) == PREFETCH - 1 else None
                    following = thread.submit(send, step + 1, free)
                training = torch.cuda.current_stream(self._device)
                training.wait_event(arrived)
                yield batch.map(lambda tensor: _held_by(tensor, training))  # noqa: B023
                # The reader sleeps until this is reached, and leaves its core to others.
                used.append(training.record_event(torch.cuda.Event(blocking=True)))


class ResidentRows:
    """Rows of features that lie in the device's memory as a whole.

    Args:
        features: [V, ...] float16.
        dtype: of what is read.
    """

    def __init__(self, features: Tensor, dtype: torch.dtype) -> None:
        self._features, self._dtype = features, dtype

    def read(self, rows: Rows) -> Tensor:
        """Return [len(rows), ...] on the device."""
        return self._features.index_select(0, self._places(rows)).to(self._dtype)

    def pick(self, rows: Rows, segments: Rows) -> Tensor:
        """Return [..., P, C] float32 on the device."""
        return self._features[self._places(rows), self._places(segments)].float()

    def _places(self, rows: Rows) -> Tensor:
        return to_device(torch.from_numpy(rows), self._features.device)


class PinnedRows:
    """Rows that reach a CUDA device through two page-locked buffers, half as wide as float32.

    Args:
        features: [V, ...] float16.
        dtype: of what is read.
        device: where to.
    """

    def __init__(self, features: npt.NDArray[np.float16], dtype: torch.dtype, device: str) -> None:
        self._features, self._rows = features, as_tensor(features)
        self._dtype, self._device = dtype, device
        empty = torch.empty(0, dtype=torch.float16)
        self._buffers = deque([(empty, torch.cuda.Event()), (empty, torch.cuda.Event())])

    def read(self, rows: Rows) -> Tensor:
        """Return [len(rows), ...] on the device, in order on the current stream."""
        buffer, copied = self._buffers.popleft()
        copied.synchronize()
        if len(buffer) < len(rows):
            size = (len(rows), *self._rows.shape[1:])
            buffer = torch.empty(size, dtype=torch.float16, pin_memory=True)
        for target, row in zip(buffer[: len(rows)], rows.tolist(), strict=True):
            target.copy_(self._rows[row])
        found = buffer[: len(rows)].to(self._device, non_blocking=True)
        copied.record()
        self._buffers.append((buffer, copied))
        return found.to(self._dtype)

    def pick(self, rows: Rows, segments: Rows) -> Tensor:
        """Return [..., P, C] float32 on the device."""
        found = torch.from_numpy(np.asarray(self._features[rows, segments]))
        return to_device(found, torch.device(self._device)).float()


@cache
def copies(device: str) -> torch.cuda.Stream:
    """Return the stream of copies to a device, the same for the whole process.

    Memory is used again on its own stream alone. The streams that graphs are captured on have
    another priority: torch hands out those of one priority in turn, and would give this one away.
    """
    return torch.cuda.Stream(device, priority=-1)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a CUDA device, copied from page-locked memory without a wait."""
    if tensor.is_cuda:
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def _held_by(tensor: Tensor, stream: torch.cuda.Stream) -> Tensor:
    """Keep a tensor's memory until ``stream`` is done with it, too."""
    if tensor.is_cuda:
        tensor.record_stream(stream)
    return tensor


class Resident:
    """The one array of features that this process keeps in a device's memory.

    Packs that train on the same features one after another find them there; others replace
    them.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._held: tuple[object, Tensor | None] = None, None

    def find(self, features: npt.NDArray[np.float16], device: str) -> Tensor | None:
        """Return features in a device's memory; None when they would take more than half."""
        key = (device, *_identity(features))
        if key != self._key:
            self._held = None, None
            torch.cuda.empty_cache()
            fits = features.nbytes <= memory_at_hand(device) / 2
            # The array is held too: another one could get the id of one that is gone.
            self._key, self._held = key, (features, _copied(features, device) if fits else None)
        return self._held[1]


RESIDENT = Resident()


def _copied(features: npt.NDArray[np.float16], device: str) -> Tensor:
    held = torch.empty(features.shape, dtype=torch.float16, device=device)
    block = max(1, 2**28 * len(features) // features.nbytes)
    for source, target in zip(as_tensor(features).split(block), held.split(block), strict=True):
        target.copy_(source)
    return held


def _identity(features: npt.NDArray[np.float16]) -> tuple[object, ...]:
    """Return what tells a mapped file from one that has replaced it, or an array from others."""
    if not isinstance(features, np.memmap) or features.filename is None:
        return (id(features),)
    found = Path(str(features.filename)).stat()
    return found.st_ino, found.st_mtime_ns, features.offset, features.shape, features.strides
