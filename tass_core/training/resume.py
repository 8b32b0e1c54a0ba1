"""A pack on disk: its resume state, replaced as a whole after every epoch.

::

    pack.json                  epoch, and what is known of every member
    state-0003.safetensors     weights and Adam's moments of the running members after epoch 3
    trials/<key>/              checkpoint folder of the best epoch so far, and the predictions

``pack.json`` is renamed into place last and names the tensors it belongs to, so a crash at
any moment leaves the state of the epoch before.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tass_core.checkpoints import load_tensors, read_json, save_tensors
from tass_core.errors import CheckpointError
from tass_core.files import write_atomically
from tass_core.training.member import Member
from tass_core.training.results import Status


@dataclasses.dataclass
class Record:
    """What a pack's checkpoint remembers of one member."""

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


@dataclasses.dataclass(slots=True)
class PackState:
    """The last finished epoch and the members' records; epochs below 1 are pre-training."""

    epoch: int
    records: list[Record]


def read_state(folder: Path, keys: Sequence[str], first_epoch: int) -> PackState:
    """Return the pack's state, or that of a new pack when the folder holds none.

    Raises:
        CheckpointError: the folder belongs to other trials or is damaged.
    """
    path = folder / "pack.json"
    if not path.exists():
        return PackState(first_epoch - 1, [Record(key) for key in keys])
    saved = read_json(path)
    records = [Record(**record) for record in saved["records"]]
    if [record.key for record in records] != list(keys):
        raise CheckpointError(
            f"{path}: holds the trials {', '.join(r.key for r in records)}, "
            f"not {', '.join(keys)}; give these trials a folder of their own"
        )
    return PackState(int(saved["epoch"]), records)


def write_state(folder: Path, state: PackState, members: Sequence[Member | None]) -> None:
    """Save the state after an epoch and remove the one before it."""
    tensors: dict[str, Tensor] = {}
    for record, member in zip(state.records, members, strict=True):
        if member is not None and record.status == "running":
            tensors |= {f"{record.key}/{name}": t for name, t in member_tensors(member).items()}
    current = folder / f"state-{state.epoch:04d}.safetensors"
    if tensors:
        with write_atomically(current) as partial:
            save_tensors(partial, tensors)
    described = {
        "epoch": state.epoch,
        "records": [dataclasses.asdict(record) for record in state.records],
    }
    with write_atomically(folder / "pack.json") as partial:
        partial.write_text(json.dumps(described) + "\n")
    for path in folder.glob("state-*.safetensors"):
        if path != current or not tensors:
            path.unlink()


def load_members(folder: Path, state: PackState, members: Sequence[Member | None]) -> None:
    """Give the running members the tensors that belong to ``state``."""
    saved = load_tensors(folder / f"state-{state.epoch:04d}.safetensors")
    for record, member in zip(state.records, members, strict=True):
        if member is not None and record.status == "running":
            prefix = f"{record.key}/"
            own = {n.removeprefix(prefix): t for n, t in saved.items() if n.startswith(prefix)}
            restore_member(member, own)


def member_tensors(member: Member) -> dict[str, Tensor]:
    """Return weights and Adam's state by name, on the CPU."""
    tensors = {f"model.{name}": value for name, value in member.model.state_dict().items()}
    for name, parameter in member.model.named_parameters():
        for moment, value in member.optimiser.state.get(parameter, {}).items():
            tensors[f"adam.{moment}.{name}"] = torch.as_tensor(value)
    return {name: value.detach().cpu() for name, value in tensors.items()}


def restore_member(member: Member, tensors: dict[str, Tensor]) -> None:
    """Put back what ``member_tensors`` returned."""
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    member.model.load_state_dict(weights)
    parameters = dict(member.model.named_parameters())
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, moment, owner = name.split(".", 2)
            parameter = parameters[owner]
            member.optimiser.state[parameter][moment] = value.to(parameter.device).clone()
