"""A member of a pack: one trial's network, its optimiser and the step of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from tass_core.checkpoints import load_weights
from tass_core.config import LossConfig, TrialConfig
from tass_core.cuda.graphs import Backward
from tass_core.data.folder.records import Features
from tass_core.randomness import initialise, noise_key
from tass_core.systems.blocks.match import answer_loss, match_loss
from tass_core.systems.blocks.question import GloveQuestion
from tass_core.systems.protocol import Batch, Output, Shapes
from tass_core.systems.tass.losses import (
    cross_modal_synchrony,
    legacy_synchrony,
    renormalise,
)
from tass_core.systems.tass.network import TASS, uses_match
from tass_core.training.resume import Record
from tass_core.trial import Trial
from tass_core.workers import Shard

LOSSES = ("loss", "loss_qa", "loss_s", "loss_cms")


class Member:
    """The trainable state of one trial.

    Attributes:
        model: the network.
        optimiser: Adam over its parameters (section 4.1).
        uses_match: whether L_s takes part.
        record: what the pack knows of it.
    """

    def __init__(
        self,
        trial: Trial,
        shapes: Shapes,
        features: Features,
        device: str,
        record: Record | None = None,
    ) -> None:
        self.trial = trial
        self.record = record or Record(key="")
        self.config = trial.config
        self.seed = trial.seed
        self.device = device
        self.shapes = shapes
        self.model = build_model(trial, shapes, features).to(device)
        self.optimiser = self._adam()
        self.uses_match = uses_match(trial.config.model, trial.config.loss)
        compiled = trial.config.optimiser.compile and device.startswith("cuda")
        self.forward: Callable[..., Output] = torch.compile(self.model) if compiled else self.model
        self._sums: list[Tensor] = []

    def _adam(self) -> torch.optim.Adam:
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

    def step(
        self,
        batch: Batch,
        epoch: int,
        step: int,
        *,
        world_size: int = 1,
        backward: Backward | None = None,
    ) -> None:
        """Take one optimiser step; epochs below 1 are the match task's pre-training.

        With several workers every one computes its share of the loss, and the gradients are
        added up, which gives the gradient of the whole batch. ``backward`` stands in for the
        member's own.
        """
        noise = noise_key(self.seed, epoch, step, self.device)
        if len(batch.rows):
            values = (backward or self.backward)(batch, noise, epoch < 1)
        else:
            self.optimiser.zero_grad(set_to_none=True)
            values = torch.zeros(len(LOSSES), device=self.device)
        Shard(world_size=world_size).add_up(list(self.model.parameters()), values)
        self.finish_step(values, batch)

    def backward(self, batch: Batch, noise: Tensor, match_only: bool) -> Tensor:
        """Put the batch's gradients on the parameters; return its losses, as ``LOSSES``."""
        self.optimiser.zero_grad(set_to_none=True)
        with self.precision():
            output = self.forward(batch, noise=noise, match=self.uses_match)
            losses = objective(output, batch, self.config, match_only=match_only)
        losses["loss"].backward()
        return note_losses(losses)

    def finish_step(self, values: Tensor, batch: Batch) -> None:
        """Note the step's losses (as ``LOSSES``), then move along the parameters' gradients."""
        self._sums.append(values * len(batch.answer))
        self.optimiser.step()

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which the forward pass runs."""
        if self.config.optimiser.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def epoch_losses(self, questions: int) -> tuple[dict[str, float], int | None]:
        """Return the epoch's mean losses and the first step (1 for the first) not finite."""
        steps = torch.stack(self._sums)
        broken = (~torch.isfinite(steps[:, 0])).nonzero()
        means = (steps.sum(dim=0) / questions).tolist()
        return dict(zip(LOSSES, means, strict=True)), int(broken[0]) + 1 if len(broken) else None


def build_model(trial: Trial, shapes: Shapes, features: Features | None = None) -> TASS:
    """Return the trial's network with its initial weights.

    Args:
        trial: its config decides the network, its seed the weights.
        shapes: from ``Dataset.shapes``.
        features: gives the pretrained word vectors, where the dataset has them.

    Raises:
        CheckpointError: ``model.init_from`` names weights that do not fit.
    """
    found = features.vectors if features is not None else None
    vectors = None if found is None else torch.from_numpy(found)
    model = TASS(trial.config, shapes, vectors)
    initialise(model, trial.seed)
    if vectors is not None and isinstance(model.question, GloveQuestion):
        with torch.no_grad():
            model.question.embedding.weight.copy_(vectors)
    if trial.config.model.init_from not in ("none", "match"):
        load_weights(model, trial.config.model.init_from, partial=True)
    return model


def objective(
    output: Output, batch: Batch, config: TrialConfig, *, match_only: bool = False
) -> dict[str, Tensor]:
    """Return L = L_qa + L_cms + λ L_s (section 4.1) and its terms, by name.

    Every term is a sum over this worker's part of the batch divided by the size of the whole,
    so that the workers' values add up to the batch's. ``match_only`` leaves λ L_s alone.
    """
    share = len(batch.rows) / len(batch.answer)
    zero = output.logits.new_zeros(())
    loss_qa = zero if match_only else share * answer_loss(output.logits, batch.answer[batch.rows])
    loss_cms = zero if match_only else share * synchrony(output, config.loss)
    loss_s = zero
    if output.matched is not None:
        pairs = output.matched.shape[:-1].numel()
        total = len(batch.answer) * output.matched.shape[-2]
        if output.mismatched is not None:
            pairs, total = pairs + len(output.mismatched), 2 * total
        loss_s = pairs / total * match_loss(output.matched, output.mismatched)
    weight = config.loss.lambda_s if output.matched is not None else 0.0
    return {
        "loss": loss_qa + loss_cms + weight * loss_s,
        "loss_qa": loss_qa,
        "loss_s": loss_s,
        "loss_cms": loss_cms,
    }


def note_losses(losses: Mapping[str, Tensor]) -> Tensor:
    """Return the values of an objective: [4] in the order of ``LOSSES``."""
    return torch.stack([losses[name].detach().float() for name in LOSSES])


def synchrony(output: Output, loss: LossConfig) -> Tensor:
    """Return L_cms: [] mean over the questions (Eq. 17)."""
    audio, visual = output.audio_weights, output.visual_weights
    if loss.cms == "none" or audio is None or visual is None:
        return output.logits.new_zeros(())
    audio, visual = audio.float(), visual.float()
    if loss.cms == "legacy":
        return legacy_synchrony(audio, visual).mean()
    if loss.renormalise:
        audio, visual = renormalise(audio), renormalise(visual)
    return cross_modal_synchrony(audio, visual).mean()
