"""Members of a pack that train as one: their weights stacked along a leading axis.

``torch.func.vmap`` runs the plain network over the stacked weights, so that every product is
one call for all members and everything they share, the batch, its order and the dropout
masks, is read or drawn once. A member's own parameters stay what its optimiser and its
checkpoint know: they become views of the stack. A member leaves by not being stacked again.

A member's numbers equal those it has alone up to the rounding of float32, since products of
other shapes add up in another order; they are not the same bits.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from tass_core.cuda.graphs import Backward, graphed
from tass_core.randomness import noise_key
from tass_core.systems.blocks.question import GloveQuestion, WordLSTM
from tass_core.systems.protocol import Batch, Output
from tass_core.systems.tass.network import TASS
from tass_core.systems.tass.spatial import MERGES
from tass_core.systems.tass.temporal import stream_places
from tass_core.training.member import Member, note_losses, objective
from tass_core.training.vmap_lstm import StackedLSTM, StackedWordLSTM


class Stack:
    """E members whose forward and backward are one.

    Making a stack turns the members' parameters into views of its own; training it trains
    them. Making another stack of some of them takes them out of this one.

    Args:
        members: they share a ``stack_key`` and the seed.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)
        first = self.members[0]
        self.device, self.seed = first.device, first.seed
        self.parameters, _ = stack_module_state([member.model for member in self.members])
        for index, member in enumerate(self.members):
            for name, parameter in member.model.named_parameters():
                parameter.data = self.parameters[name].data[index]
        self.network, self.switches = _shared_network(self.members)
        self.switches = {name: value.to(self.device) for name, value in self.switches.items()}
        # A reference to itself would keep a stack's memory until Python looks for cycles.
        weak = weakref.proxy(self)
        self._backward = graphed(
            lambda *given: weak.backward(*given), self.parameters.values(), self.device
        )

    def step(self, batch: Batch, epoch: int, step: int) -> None:
        """Take one optimiser step with every member, as ``Member.step`` does with one."""
        noise = noise_key(self.seed, epoch, step, self.device)
        losses = self._backward(batch, noise, epoch < 1)
        self._share_gradients()
        for member, values in zip(self.members, losses, strict=True):
            member.finish_step(values, batch)

    def backward(self, batch: Batch, noise: Tensor, match_only: bool) -> Tensor:
        """Put the batch's gradients on the stack; return every member's losses [E, 4]."""
        for stacked in self.parameters.values():
            stacked.grad = None
        with self.members[0].precision():
            outputs = self.forward(batch, noise=noise, match=self.members[0].uses_match)
            losses = [
                objective(output, batch, member.config, match_only=match_only)
                for member, output in zip(self.members, outputs, strict=True)
            ]
        torch.stack([terms["loss"] for terms in losses]).sum().backward()
        return torch.stack([note_losses(terms) for terms in losses])

    def forward(
        self, batch: Batch, *, noise: Tensor | None = None, match: bool = False
    ) -> list[Output]:
        """Return every member's output for the batch they share."""

        def run(parameters: dict[str, Tensor], switches: dict[str, Tensor]) -> dict[str, Tensor]:
            output = functional_call(
                self.network, (parameters, switches), (batch,), {"noise": noise, "match": match}
            )
            return {
                item.name: getattr(output, item.name)
                for item in fields(output)
                if getattr(output, item.name) is not None
            }

        found: dict[str, Tensor] = vmap(run)(self.parameters, self.switches)
        columns: dict[str, Sequence[Tensor | None]] = {
            item.name: found[item.name].unbind()
            if item.name in found
            else [None] * len(self.members)
            for item in fields(Output)
        }
        return [
            Output(**{name: column[index] for name, column in columns.items()})  # type: ignore[arg-type]
            for index in range(len(self.members))
        ]

    def _share_gradients(self) -> None:
        """Give every member its part of the stack's gradients; no part, no gradient."""
        for index, member in enumerate(self.members):
            for name, parameter in member.model.named_parameters():
                gradient = self.parameters[name].grad
                parameter.grad = None if gradient is None else gradient[index]


class Alone:
    """A member that trains by itself, with the bits that it has in any company.

    Args:
        member: the one.
        world_size: workers that share its batches.
    """

    def __init__(self, member: Member, world_size: int = 1) -> None:
        self.members = [member]
        self._world_size = world_size
        # Weights that were part of a stack lie apart; cuDNN would gather them at every step.
        for module in member.model.modules():
            if isinstance(module, nn.LSTM) and member.device.startswith("cuda"):
                module.flatten_parameters()
        self._backward: Backward = member.backward
        if not member.config.optimiser.compile:
            parameters = member.model.parameters()
            self._backward = graphed(member.backward, parameters, member.device)

    def step(self, batch: Batch, epoch: int, step: int) -> None:
        """Take one optimiser step."""
        self.members[0].step(
            batch, epoch, step, world_size=self._world_size, backward=self._backward
        )

    def forward(self, batch: Batch) -> list[Output]:
        """Return its output in evaluation."""
        return [self.members[0].model(batch)]


Crew = Alone | Stack
"""Members that take their steps together."""


def make_crews(members: Sequence[Member], width: int, world_size: int = 1) -> list[Crew]:
    """Let members train together as far as they can, at most ``width`` in a crew."""
    return [
        Stack(group) if len(group) > 1 else Alone(group[0], world_size)
        for group in make_stacks(members, width)
    ]


def stack_key(member: Member) -> tuple[object, ...]:
    """Return what members must have in common, beside their pack, to be stacked.

    The names and shapes of their weights (without L_s there is no match MLP), and the
    dropout probabilities, which decide whether a mask is drawn at all.
    """
    model = member.config.canonical().model
    shapes = [(name, tuple(value.shape)) for name, value in member.model.named_parameters()]
    return (*shapes, model.attention_dropout, model.dropout, member.config.optimiser.precision)


def make_stacks(members: Sequence[Member], width: int) -> list[list[Member]]:
    """Group members that can be stacked, evenly, at most ``width`` in a group, in their order."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(stack_key(member), []).append(member)
    stacks: list[list[Member]] = []
    for group in groups.values():
        parts = -(-len(group) // width)
        edges = [len(group) * part // parts for part in range(parts + 1)]
        stacks += [group[start:end] for start, end in pairwise(edges)]
    return stacks


def _shared_network(members: Sequence[Member]) -> tuple[TASS, dict[str, Tensor]]:
    """Return the network that runs for all, without weights, and the members' switches."""
    network = copy.deepcopy(members[0].model)
    for parameter in network.parameters():
        parameter.data = parameter.data.new_empty(0)
    _replace_lstms(network)
    switches: dict[str, Tensor] = {}
    models = [member.model for member in members]
    if network.spatial is not None:
        grounding = [model.spatial for model in models if model.spatial is not None]
        _switch(network, "spatial.tau", [torch.tensor(one.tau) for one in grounding], switches)
        places = [torch.tensor(MERGES.index(one.merge)) for one in grounding]
        _switch(network, "spatial.merge", places, switches)
    if network.single is not None:
        streams = [model.single for model in models if model.single is not None]
        orders = [stream_places(members[0].shapes.segments, one.ordering) for one in streams]
        _switch(network, "single.ordering", orders, switches)
    return network, switches


def _replace_lstms(network: TASS) -> None:
    for name in ("visual_lstm", "audio_lstm"):
        if isinstance(lstm := getattr(network, name, None), nn.LSTM):
            setattr(network, name, StackedLSTM(lstm))
    question = network.question
    if isinstance(question, GloveQuestion) and isinstance(question.lstm, WordLSTM):
        question.lstm = StackedWordLSTM(question.lstm)  # type: ignore[assignment]


def _switch(
    network: nn.Module, name: str, values: Sequence[Tensor], switches: dict[str, Tensor]
) -> None:
    """Turn a setting in which the members differ into a buffer with a value for each."""
    if all(torch.equal(value, values[0]) for value in values):
        return
    owner, _, attribute = name.rpartition(".")
    module = network.get_submodule(owner)
    delattr(module, attribute)
    module.register_buffer(attribute, values[0], persistent=False)
    switches[name] = torch.stack(list(values))
