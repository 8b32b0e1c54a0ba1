"""Weights that others have released, as a checkpoint of ours."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tass_core.checkpoints import save_checkpoint
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import Dataset
from tass_core.errors import CheckpointError
from tass_core.systems import build_network, system_named
from tass_core.trial import Trial


def import_released(path: Path, config: TrialConfig, dataset: Dataset, folder: Path) -> None:
    """Write a released file of weights as a checkpoint folder.

    The file's pickle is read with weights alone: it can run no code.

    Args:
        path: as torch saved it.
        config: of a system that knows the names of its public weights.
        dataset: of the shapes that the weights are for; the order of its words and answers must be
            the public code's.
        folder: the checkpoint to be.

    Raises:
        CheckpointError: the system knows no public weights, or the file is damaged, holds anything
            but weights, lacks some, or is for other shapes.
    """
    read = system_named(config.system).released
    if read is None:
        raise CheckpointError(f"system '{config.system}' has no names for public weights; avst has")
    try:
        public: Any = torch.load(path, map_location="cpu", weights_only=True)
        weights = read(public.get("model_state_dict", public))
    except (OSError, pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: no file of weights alone ({reason})") from None
    except KeyError as error:
        raise CheckpointError(f"{path}: it lacks {error}, which the public code saves") from None
    network = build_network(config, dataset.shapes(config))
    state = network.state_dict()
    for name, tensor in state.items():
        _require_shape(path, name, tensor, weights.get(name))
    network.load_state_dict(weights)
    save_checkpoint(folder, network, Trial(config, 0), dataset, {})


def _require_shape(path: Path, name: str, ours: Tensor, theirs: Tensor | None) -> None:
    if theirs is None or theirs.shape != ours.shape:
        found = "no such weight" if theirs is None else f"{tuple(theirs.shape)}"
        raise CheckpointError(
            f"{path}: {name} must be {tuple(ours.shape)} for this dataset and config, the file "
            f"has {found}"
        )
