"""A pack on disk: the records of its members and their tensors, committed after every epoch.

::

    pack.json                        format, epoch, width of its stacks, the members' records
    state-0003/<key>.safetensors     weights and Adam's moments of a running member
    trials/<key>/best-0002/          checkpoint of the member's best epoch so far
    trials/<key>/predictions.parquet the test split's answers, when it is finished

Tensors and checkpoints are named by epoch, so that a new one never stands in an old one's place.
``pack.json`` is replaced last and commits them; what it does not name is removed after that. A
kill at any moment leaves the epoch before, whole.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tass_core.checkpoints import load_tensors, read_json, save_tensors
from tass_core.errors import CheckpointError
from tass_core.files import is_partial, remove, write_atomically
from tass_core.training.results import FORMAT, EpochResult, Status, TrialResult

if TYPE_CHECKING:
    from tass_core.training.member import Member


@dataclasses.dataclass
class Record:
    """What a pack remembers of one member."""

    key: str
    status: Status = "running"
    reason: str | None = None
    best_epoch: int = 0
    best_accuracy: float = -1.0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    """The metrics of every epoch so far, in order, with ``finished_at``."""
    final: dict[str, float] = dataclasses.field(default_factory=dict)
    """The metrics of the trial's end."""
    fused: int = 1
    """The most members of a stack that it was in."""
    finished_at: float = 0.0

    @property
    def running(self) -> bool:
        """Whether the member still trains."""
        return self.status == "running"

    def note(self, metrics: Mapping[str, float]) -> bool:
        """Add the next epoch; return whether it is the best, the later one of equals."""
        self.history.append({**metrics, "finished_at": time.time()})
        best = metrics["val/all"] >= self.best_accuracy
        if best:
            self.best_epoch, self.best_accuracy = len(self.history), metrics["val/all"]
        return best

    def end(
        self, status: Status, reason: str | None = None, final: Mapping[str, float] | None = None
    ) -> None:
        """Note the trial's end, with ``final`` beside the best epoch's; a failed one has none."""
        self.status, self.reason, self.finished_at = status, reason, time.time()
        if status != "failed":
            best = self.history[self.best_epoch - 1]
            self.final = {name: value for name, value in best.items() if name.startswith("val/")}
            self.final |= {"best_epoch": float(self.best_epoch), **(final or {})}

    def weights(self, folder: Path) -> Path:
        """Return the checkpoint folder of the best epoch, in a pack's folder."""
        return folder / "trials" / self.key / f"best-{self.best_epoch:04d}"

    def predictions(self, folder: Path) -> Path:
        """Return the file of the test split's answers, in a pack's folder."""
        return folder / "trials" / self.key / "predictions.parquet"

    def epoch_result(self, trial: int, epoch: int) -> EpochResult:
        """Return what is reported of an epoch of the pack's ``trial``-th member."""
        metrics = dict(self.history[epoch - 1])
        finished_at = metrics.pop("finished_at")
        return EpochResult(trial, self.key, epoch, metrics, finished_at)

    def trial_result(self, trial: int, folder: Path) -> TrialResult:
        """Return what is reported of the end of the pack's ``trial``-th member."""
        weights, predictions = self.weights(folder), self.predictions(folder)
        return TrialResult(
            trial=trial,
            key=self.key,
            status=self.status,
            reason=self.reason,
            best_epoch=self.best_epoch,
            metrics=self.final,
            weights=weights if weights.exists() else None,
            predictions=predictions if predictions.exists() else None,
            fused=self.fused,
            finished_at=self.finished_at,
        )

    def results(self, trial: int, folder: Path) -> Iterator[EpochResult | TrialResult]:
        """Yield all that was reported so far."""
        for epoch in range(1, len(self.history) + 1):
            yield self.epoch_result(trial, epoch)
        if not self.running:
            yield self.trial_result(trial, folder)


@dataclasses.dataclass(slots=True)
class PackState:
    """The last finished epoch (below 1: of pre-training), and what is known of the members."""

    epoch: int
    records: list[Record]
    width: int | None = None
    """Members fused at most, where a measurement chose it: a resumed pack keeps it."""


def read_state(folder: Path, keys: Sequence[str], first_epoch: int) -> PackState:
    """Return the pack's state, or that of a new pack when the folder holds none.

    Raises:
        CheckpointError: the folder belongs to other trials or another version, or is damaged.
    """
    path = folder / "pack.json"
    if not path.exists():
        return PackState(first_epoch - 1, [Record(key) for key in keys])
    saved = read_json(path)
    if saved.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {saved.get('format')!r} is unknown; this version reads format "
            f"{FORMAT}; remove {folder} to train its trials anew"
        )
    try:
        records = [Record(**record) for record in saved["records"]]
        state = PackState(int(saved["epoch"]), records, saved["width"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: damaged ({error}); remove {folder} to train its trials anew"
        ) from None
    if [record.key for record in records] != list(keys):
        raise CheckpointError(
            f"{path}: holds the trials {', '.join(r.key for r in records)}, "
            f"not {', '.join(keys)}; give these trials a folder of their own"
        )
    return state


def write_state(folder: Path, state: PackState, members: Sequence[Member]) -> None:
    """Commit an epoch: the members' tensors, then ``pack.json``; then remove what is old."""
    running = [member for member in members if member.record.running]
    if running:
        with write_atomically(_tensors_of(folder, state)) as partial:
            partial.mkdir()
            for member in running:
                save_tensors(partial / _tensors_file(member), member_tensors(member))
    with write_atomically(folder / "pack.json") as partial:
        partial.write_text(json.dumps({"format": FORMAT, **dataclasses.asdict(state)}) + "\n")
    remove_old(folder, state)


def _tensors_of(folder: Path, state: PackState) -> Path:
    return folder / f"state-{state.epoch:04d}"


def _tensors_file(member: Member) -> str:
    return f"{member.record.key}.safetensors"


def remove_old(folder: Path, state: PackState) -> None:
    """Remove what earlier epochs and killed processes left, all that ``state`` does not name."""
    kept = {record.weights(folder) for record in state.records}
    if any(record.running for record in state.records):
        kept.add(_tensors_of(folder, state))
    found = [*folder.glob("state-*"), *folder.glob("trials/*/best-*")]
    found += filter(is_partial, [*folder.glob(".*"), *folder.glob("trials/*/.*")])
    for path in found:
        if path not in kept:
            remove(path)


def load_members(folder: Path, state: PackState, members: Sequence[Member]) -> None:
    """Give the running members the tensors that belong to ``state``.

    Raises:
        CheckpointError: the tensors are missing or damaged, or belong to other networks.
    """
    for member in members:
        path = _tensors_of(folder, state) / _tensors_file(member)
        saved = load_tensors(path)
        try:
            restore_member(member, saved)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{path}: does not fit trial {member.record.key} ({error}); remove {folder} to "
                "train its trials anew"
            ) from None


def member_tensors(member: Member) -> dict[str, Tensor]:
    """Return weights and Adam's state by name, on the CPU."""
    tensors = {f"model.{name}": value for name, value in member.model.state_dict().items()}
    for name, parameter in member.model.named_parameters():
        for moment, value in member.optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{moment}.{name}"] = torch.as_tensor(value)
    return {name: value.detach().cpu() for name, value in tensors.items()}


def restore_member(member: Member, tensors: Mapping[str, Tensor]) -> None:
    """Put back what ``member_tensors`` returned."""
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    member.model.load_state_dict(weights)
    parameters = dict(member.model.named_parameters())
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, moment, owner = name.split(".", 2)
            parameter = parameters[owner]
            member.optimiser.state[parameter][moment] = value.to(parameter.device).clone()
