"""Checkpoints: a folder with weights in safetensors and everything else in JSON.

``model.safetensors`` holds the weights, ``config.json`` what is needed to build the network
again (the trial's config, its seed, the shapes, the answers, the dataset's identity), and
``metrics.json`` what it scored. Nothing in it can execute code.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tass_core import TRAINING_VERSION
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import CheckpointError, ConfigError
from tass_core.files import write_atomically
from tass_core.systems import build_network
from tass_core.systems.protocol import Shapes
from tass_core.trial import Trial, trial_key

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network and where it comes from."""

    model: nn.Module
    trial: Trial
    shapes: Shapes
    answers: tuple[str, ...]
    dataset: Mapping[str, str]
    """``name``, ``fingerprint`` and ``provenance`` of the dataset it was trained on."""
    metrics: Mapping[str, float]
    key: str
    """The trial's key."""


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    trial: Trial,
    dataset: Dataset,
    metrics: Mapping[str, float],
) -> None:
    """Write a checkpoint folder, replacing one of the same name only when it is complete."""
    described = {
        "format": FORMAT,
        "trial_key": trial_key(trial, dataset.fingerprint),
        "training_version": TRAINING_VERSION,
        "seed": trial.seed,
        "system": trial.config.system,
        "config": trial.config.to_dict(),
        "shapes": dataclasses.asdict(dataset.shapes(trial.config)),
        "answers": list(dataset.answers),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "provenance": dataset.provenance,
        },
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(folder) as partial:
        partial.mkdir()
        save_tensors(partial / "model.safetensors", model.state_dict())
        (partial / "config.json").write_text(json.dumps(described, indent=2) + "\n")
        (partial / "metrics.json").write_text(json.dumps(dict(metrics), indent=2) + "\n")


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the config.
    """
    described = read_json(folder / "config.json")
    if described.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / 'config.json'}: format {described.get('format')!r} is unknown; "
            f"this version reads format {FORMAT}"
        )
    try:
        trial = Trial(TrialConfig.from_dict(described["config"]), int(described["seed"]))
        shapes = Shapes(**described["shapes"])
        answers, dataset = tuple(described["answers"]), described["dataset"]
        key = described["trial_key"]
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"{folder / 'config.json'}: {what}; export it again") from None
    model = build_network(trial.config, shapes)
    load_weights(model, str(folder))
    metrics = read_json(folder / "metrics.json")
    return Checkpoint(model.eval(), trial, shapes, answers, dataset, metrics, key)


def load_weights(model: nn.Module, folder: str, *, partial: bool = False) -> None:
    """Copy the weights of a checkpoint folder into ``model``.

    With ``partial`` the weights that both have in common are copied, as the paper does with
    its stage-1 weights; at least one must be.

    Raises:
        CheckpointError: the file is missing or damaged, or its tensors do not fit.
    """
    path = Path(folder) / "model.safetensors"
    saved, state = load_tensors(path), model.state_dict()
    fitting = {
        name: value
        for name, value in saved.items()
        if name in state and state[name].shape == value.shape
    }
    strange = [name for name in {*saved, *state} if name not in fitting]
    if (strange and not partial) or not fitting:
        names = ", ".join(sorted(strange)[:3])
        raise CheckpointError(
            f"{path}: {len(strange)} tensors do not fit the network ({names}, ...); "
            "its config.json belongs to another model"
        )
    model.load_state_dict({**state, **fitting})


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a safetensors file."""
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        loaded: dict[str, Tensor] = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; is this a checkpoint folder?") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); export it again") from None
    return loaded


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; is this a checkpoint folder?") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: a JSON object is expected")
    return value
