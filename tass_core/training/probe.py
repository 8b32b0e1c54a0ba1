"""Which configs compute one function, tried on random batches before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tass_core.batches.example import example_batch
from tass_core.config import TrialConfig, known_fields
from tass_core.data.folder.records import Features
from tass_core.errors import ConfigError
from tass_core.randomness import noise_key
from tass_core.systems.protocol import Batch, Noise, Shapes
from tass_core.training.groups import Solo
from tass_core.training.member import Member
from tass_core.trial import Trial

EXACT = 1e-9
"""How far numbers that differ in rounding alone may be apart, in float64."""
WIDTHS = (8, 16, 32)
"""Of the networks that are tried, the first that fits: narrow features are seldom orthogonal, so
that a threshold or a merge of attention shows, and it is quick."""
_TRIES = 2

Values = Mapping[str, Tensor]
"""What a config computes, by name."""


def alike(
    configs: Sequence[TrialConfig], shapes: Callable[[TrialConfig], Shapes]
) -> list[list[int]]:
    """Return the places of configs that compute one function, in groups of two or more.

    With the same initial weights, questions and dropout those of a group answer alike in
    evaluation and have the same losses and gradients in training. That is no proof: what has no
    effect on these batches may have one after training.

    Args:
        configs: canonical, and different.
        shapes: of the dataset's features, by config.
    """
    by_training: dict[object, list[int]] = {}
    for place, config in enumerate(configs):
        by_training.setdefault(_training(config), []).append(place)
    groups, narrow = list(by_training.values()), [_narrow(config) for config in configs]
    # What the cheaper half tells apart is not tried further.
    for seed in range(_TRIES):
        for compute in (_answers, _gradients):
            groups = [
                part
                for group in groups
                if len(group) > 1
                for part in _parts(
                    {at: compute(narrow[at], shapes(configs[at]), seed) for at in group}
                )
            ]
    return [group for group in groups if len(group) > 1]


def exact_member(config: TrialConfig, shapes: Shapes, seed: int = 0) -> Member:
    """Return a member with its initial weights in float64, which needs no dataset."""
    nothing = np.empty(0, np.float16)
    features = Features(nothing, nothing, None, None, None, None, None)
    member = Member(Trial(config, seed), shapes, features, "cpu")
    member.model.double()
    return member


def first_noise(batch: Batch, seed: int = 0) -> Noise:
    """Return the noise of the first step."""
    return Noise(noise_key(seed, 1, 0), batch.rows)


def _training(config: TrialConfig) -> tuple[Any, ...]:
    """Return what decides a training beside the network's function and its losses'."""
    width = config.flat().get("model.width")
    started = (config.model.init_from, config.pretraining(), width)
    return (config.system, config.data, config.optimiser, *started)


def _parts(computed: Mapping[int, Values]) -> list[list[int]]:
    """Return the places of a group parted by what they compute."""
    parts: list[tuple[Values, list[int]]] = []
    for place, found in computed.items():
        for known, part in parts:
            if _same(found, known):
                part.append(place)
                break
        else:
            parts.append((found, [place]))
    return [part for _, part in parts]


def _answers(config: TrialConfig, shapes: Shapes, seed: int) -> Values:
    """Return a config's outputs in evaluation."""
    with torch.no_grad():
        return exact_member(config, shapes, seed).forward(_batch(config, shapes, seed)).tensors()


def _gradients(config: TrialConfig, shapes: Shapes, seed: int) -> Values:
    """Return a config's losses in training, and their gradients."""
    batch, member = _batch(config, shapes, seed), exact_member(config, shapes, seed)
    losses = Solo(member).gradients(batch, first_noise(batch, seed), "train")
    gradients = {n: p.grad for n, p in member.model.named_parameters() if p.grad is not None}
    return {"losses": losses, **gradients}


def _batch(config: TrialConfig, shapes: Shapes, seed: int) -> Batch:
    return example_batch(config.needs(), shapes, (0, 1, 1), seed=seed)


def _narrow(config: TrialConfig) -> TrialConfig:
    """Return a config whose network is quickly made: narrow, and from its own initial weights."""
    plain = {"model.init_from": "none", "optimiser.precision": "float32"}
    widths = [{"model.width": it} for it in WIDTHS if "model.width" in known_fields(config.system)]
    for width in widths:
        try:
            return config.with_values(plain | width)
        except ConfigError:
            continue
    return config.with_values(plain)


def _same(one: Values, other: Values) -> bool:
    return one.keys() == other.keys() and all(
        value.shape == other[name].shape and torch.allclose(value, other[name], EXACT, EXACT)
        for name, value in one.items()
    )
