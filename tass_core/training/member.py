"""A member of a pack: one trial's network, its optimiser and its record."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn

from tass_core.checkpoints import load_weights
from tass_core.data.folder.records import Features
from tass_core.randomness import initialise
from tass_core.systems import build_network, loss_terms, step_losses, system_named
from tass_core.systems.protocol import Batch, Noise, Output, Shapes, Stage
from tass_core.training.resume import Record
from tass_core.trial import Trial


class Member:
    """The trainable state of one trial.

    Args:
        trial: the variant and its seed.
        shapes: the dataset's.
        features: give the pretrained word vectors, where the dataset has them.
        device: where it trains.
        record: what is known of it so far.

    Raises:
        CheckpointError: ``model.init_from`` names weights that do not fit.
    """

    def __init__(
        self,
        trial: Trial,
        shapes: Shapes,
        features: Features,
        device: str,
        record: Record | None = None,
    ) -> None:
        # Canonical: one key stands for one training, to the bit.
        self.trial, self.config, self.shapes = trial, trial.config.canonical(), shapes
        self.device, self.record = device, record or Record("")
        self.system = system_named(trial.config.system)
        self.model = initial_network(trial, shapes, features).to(device)
        compiled = trial.config.optimiser.compile and device.startswith("cuda")
        self._compiled = cast(nn.Module, torch.compile(self.model)) if compiled else self.model
        self._sums: list[Tensor] = []

    @cached_property
    def optimiser(self) -> torch.optim.Adam:
        """Adam over the parameters; made when it is first needed, for that imports for seconds."""
        settings = self.config.optimiser
        return torch.optim.Adam(
            self.model.parameters(),
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def start_epoch(self, epoch: int) -> None:
        """Set the learning rate of ``epoch`` (1 for the first): x γ every ``step_size``."""
        settings = self.config.optimiser
        drops = max(epoch - 1, 0) // settings.step_size
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * settings.gamma**drops
        if epoch == 1:
            self.optimiser.state.clear()
        self._sums = []

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Return the network's output, with noise as in training."""
        network = self.model if noise is None else self._compiled
        output: Output = network.train(noise is not None)(batch, noise)
        return output

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which a training step's forward pass runs."""
        if self.config.optimiser.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def losses(self, output: Output, batch: Batch, stage: Stage) -> Tensor:
        """Return L and its terms, in the order of ``loss_names``: [1 + terms]."""
        found = step_losses(self.config, output, batch, stage)
        means = {name: term.total / term.count for name, term in found.items()}
        zero = torch.zeros((), device=output.logits.device)
        weighted = [means[name] * term.weight for name, term in found.items() if term.weight]
        names = loss_terms(self.config)
        terms = [means[name].detach() if name in means else zero for name in names]
        return torch.stack([sum(weighted, zero), *terms])

    def loss_names(self) -> tuple[str, ...]:
        """Return ``loss``, then ``loss_<name>`` of every term."""
        return ("loss", *(f"loss_{name}" for name in loss_terms(self.config)))

    def update(self, losses: Tensor, questions: int) -> None:
        """Note a step's losses and move along the parameters' gradients.

        Args:
            losses: [1 + terms] of the whole batch.
            questions: B, those of the whole batch.
        """
        self._sums.append(losses * questions)
        self.optimiser.step()

    def epoch_losses(self, questions: int) -> tuple[dict[str, float], int | None]:
        """Return the epoch's mean losses and the first step (1 for the first) not finite."""
        steps = torch.stack(self._sums)
        broken = (~torch.isfinite(steps[:, 0])).nonzero()
        means = (steps.sum(dim=0) / questions).tolist()
        first = int(broken[0]) + 1 if len(broken) else None
        return dict(zip(self.loss_names(), means, strict=True)), first


def initial_network(trial: Trial, shapes: Shapes, features: Features) -> nn.Module:
    """Return the trial's network with its initial weights, see ``Member``."""
    config, system = trial.config, system_named(trial.config.system)
    network = build_network(config, shapes)
    initialise(network, trial.seed)
    parameters = dict(network.named_parameters())
    if features.vectors is not None and system.word_vectors in parameters:
        with torch.no_grad():
            parameters[system.word_vectors].copy_(torch.from_numpy(features.vectors))
    if config.model.init_from not in ("none", "match"):
        load_weights(network, config.model.init_from, partial=True)
    return network
