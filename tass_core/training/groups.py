"""Members of a pack that take their steps together: one alone, or several stacked.

For a stack ``torch.func.vmap`` runs the plain network over weights that are stacked along a
leading axis, so that every product is one call for all members and everything they share, the
batch, its order and the dropout masks, is read or drawn once. A member's own parameters stay
what its optimiser and its checkpoint know: they become views of the stack. To take a member out
of a stack, stack the others anew.

A stacked member's numbers equal those it has alone up to rounding, since products of other
shapes add up in another order; they are not the same bits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from tass_core.cuda.graphs import Backward, graphed
from tass_core.randomness import noise_key
from tass_core.systems.protocol import Batch, Noise, Output, Stage
from tass_core.training.member import Member
from tass_core.training.vmap_lstm import stack_lstms
from tass_core.workers import Shard

Forward = Callable[[Batch, Noise | None], Sequence[Output]]


class Group(Protocol):
    """Members that take their steps together; only the trainer calls their optimisers."""

    members: list[Member]

    def gradients(self, batch: Batch, noise: Noise, stage: Stage) -> Tensor:
        """Leave gradients on the members' parameters; return their losses [E, 1 + terms]."""
        ...

    def outputs(self, batch: Batch) -> Sequence[Output]:
        """Return every member's output in evaluation."""
        ...


class Solo:
    """A member that trains by itself, with the bits that it has in any company."""

    def __init__(self, member: Member) -> None:
        self.members = [member]
        # Weights that were part of a stack lie apart; cuDNN would gather them at every step.
        for module in member.model.modules():
            if isinstance(module, nn.LSTM) and member.device.startswith("cuda"):
                module.flatten_parameters()
        self._parameters = list(member.model.parameters())
        alone: Forward = partial(_alone, member)
        self._backward: Backward = partial(_backward, self.members, self._parameters, alone)
        if not member.config.optimiser.compile:
            self._backward = graphed(self._backward, self._parameters, member.device)

    def gradients(self, batch: Batch, noise: Noise, stage: Stage) -> Tensor:
        """Leave gradients on the member's parameters; return its losses [1, 1 + terms].

        A worker that owns no question of the batch has no gradients and losses of 0.
        """
        if len(batch.rows):
            return self._backward(batch, noise, stage)
        for parameter in self._parameters:
            parameter.grad = None
        return batch.audio.new_zeros(1, len(self.members[0].loss_names()))

    def outputs(self, batch: Batch) -> Sequence[Output]:
        """Return the member's output in evaluation, as the only one."""
        return [self.members[0].forward(batch)]


class Stack:
    """E members whose forward and backward are one.

    Making a stack turns the members' parameters and buffers into views of its own; training it
    trains them. Making another stack of some of them takes them out of this one.

    Args:
        members: they share a ``stack_key`` and the seed.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        models = [member.model.train() for member in self.members]
        self._parameters, buffers = stack_module_state(models)
        state = {**self._parameters, **buffers}
        for index, model in enumerate(models):
            for name, own in [*model.named_parameters(), *model.named_buffers()]:
                own.data = state[name].data[index]
        self._forward: Forward = partial(_stacked, _without_weights(models[0]), state)
        self._backward = graphed(
            partial(_backward, self.members, list(self._parameters.values()), self._forward),
            self._parameters.values(),
            self.members[0].device,
        )

    def gradients(self, batch: Batch, noise: Noise, stage: Stage) -> Tensor:
        """Leave every member its part of the stack's gradients; return losses [E, 1 + terms]."""
        losses = self._backward(batch, noise, stage)
        for index, member in enumerate(self.members):
            for name, parameter in member.model.named_parameters():
                gradient = self._parameters[name].grad
                parameter.grad = None if gradient is None else gradient[index]
        return losses

    def outputs(self, batch: Batch) -> Sequence[Output]:
        """Return every member's output in evaluation."""
        return self._forward(batch, None)


def take_step(
    group: Group, batch: Batch, epoch: int = 1, step: int = 0, shard: Shard | None = None
) -> None:
    """Move every member of a group along the gradient of its loss.

    Args:
        group: the members.
        batch: the questions of the step, or this worker's part of them.
        epoch: 1 for the first; those below 1 pretrain.
        step: 0 for the first of the epoch.
        shard: this worker's place among those whose gradients add up to the batch's.
    """
    first = group.members[0]
    noise = Noise(noise_key(first.trial.seed, epoch, step, first.device), batch.rows)
    losses = group.gradients(batch, noise, "train" if epoch >= 1 else "pretrain")
    if shard is not None:
        shard.add_up([p for m in group.members for p in m.model.parameters()], losses)
    for member, own in zip(group.members, losses, strict=True):
        member.update(own, len(batch.answer))


def make_groups(members: Sequence[Member], width: int) -> list[Group]:
    """Let members train together as far as they can, at most ``width`` in a group."""
    return [
        Stack(stack) if len(stack) > 1 else Solo(stack[0]) for stack in make_stacks(members, width)
    ]


def make_stacks(members: Sequence[Member], width: int) -> list[list[Member]]:
    """Part members that can be stacked evenly, at most ``width`` together, in their order."""
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        alike.setdefault(stack_key(member), []).append(member)
    stacks: list[list[Member]] = []
    for group in alike.values():
        parts = -(-len(group) // (width if group[0].system.stackable else 1))
        edges = [len(group) * part // parts for part in range(parts + 1)]
        stacks += [group[start:end] for start, end in pairwise(edges)]
    return stacks


def stack_key(member: Member) -> tuple[object, ...]:
    """Return what members must have in common, beside their pack, to be stacked.

    Every field of the model but those in buffers, the names and shapes of the weights (without
    L_s TASS has no match MLP), and the precision.
    """
    config = member.config
    fields = {
        name: value
        for name, value in config.flat().items()
        if name.startswith("model.") and name.removeprefix("model.") not in member.system.per_member
    }
    shapes = [(name, tuple(value.shape)) for name, value in member.model.named_parameters()]
    return (member.system.name, *fields.items(), *shapes, config.optimiser.precision)


def _backward(
    members: Sequence[Member],
    parameters: Sequence[Tensor],
    forward: Forward,
    batch: Batch,
    noise: Noise,
    stage: Stage,
) -> Tensor:
    """Put the batch's gradients on the parameters; return the members' losses [E, 1 + terms]."""
    for parameter in parameters:
        parameter.grad = None
    with members[0].precision():
        outputs = forward(batch, noise)
        losses = torch.stack(
            [
                member.losses(output, batch, stage)
                for member, output in zip(members, outputs, strict=True)
            ]
        )
    losses[:, 0].sum().backward()
    return losses.detach()


def _alone(member: Member, batch: Batch, noise: Noise | None) -> list[Output]:
    return [member.forward(batch, noise)]


def _stacked(
    network: nn.Module, state: dict[str, Tensor], batch: Batch, noise: Noise | None
) -> list[Output]:
    """Run a network over stacked parameters and buffers; return every member's output."""
    network.train(noise is not None)

    def one(own: dict[str, Tensor]) -> dict[str, Tensor]:
        output: Output = functional_call(network, own, (batch, noise))
        return output.tensors()

    found: dict[str, Tensor] = vmap(one)(state)
    names, columns = found.keys(), (tensor.unbind() for tensor in found.values())
    return [Output.of(dict(zip(names, own, strict=True))) for own in zip(*columns, strict=True)]


def _without_weights(model: nn.Module) -> nn.Module:
    """Return a copy that ``functional_call`` can run, with layers that ``vmap`` can batch."""
    network = copy.deepcopy(model)
    for tensor in [*network.parameters(), *network.buffers()]:
        tensor.data = tensor.data.new_empty(0)
    stack_lstms(network)
    return network
