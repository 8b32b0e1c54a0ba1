"""Steps replayed from graphs train as eager ones, and a graph that differs is not used.

Where there is no CUDA device, a replay runs the step again on the tensors that were captured:
what is copied, compared and handed over is the same.
"""

import gc
import logging
import weakref

import pytest
import torch

from tass_core.batches.source import BatchSource
from tass_core.cuda.graphs import WARM_UP, Graphs
from tass_core.randomness import noise_key
from tass_core.systems.protocol import Noise
from tass_core.training.groups import Solo, Stack, take_step
from tests.tass_core.training.test_groups import batches, make_members
from tests.tass_core.training.test_variants import VARIANTS

EPOCHS = 3


class Captures:
    """Replays as CUDA does: into the memory that the capture left."""

    def __init__(self, parameters, *, error=0.0):
        self.parameters, self.error, self.made, self.played = list(parameters), error, 0, 0

    def __call__(self, run):
        self.made += 1
        values = run()
        gradients = [parameter.grad for parameter in self.parameters]

        def replay():
            self.played += 1
            values.copy_(run() + self.error)
            for held, parameter in zip(gradients, self.parameters, strict=True):
                if held is not None:
                    held.copy_(parameter.grad)

        return values, replay


def replayed(group, parameters, **how):
    captures = Captures(parameters, **how)
    group._backward = Graphs(group._backward, parameters, captures)
    return captures


def train(group, dataset, config, seed=0):
    for epoch in range(1, EPOCHS + 1):
        for member in group.members:
            member.start_epoch(epoch)
        for step, batch in batches(dataset, config, epoch):
            take_step(group, batch, epoch, step)
    return torch.stack([torch.stack(member._sums) for member in group.members])


def assert_same_bits(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        for name, value in other.model.named_parameters():
            assert torch.equal(one.model.get_parameter(name), value), name


@pytest.mark.parametrize("name", ["full", "w/o TSG+", "w/o JTG", "dual", "clip soft", "bf16"])
def test_replayed_steps_have_the_bits_of_eager_ones(name, tiny, base):
    config = base.with_values(VARIANTS[name])
    eager, played = (Solo(make_members([config], tiny)[0]) for _ in range(2))
    captures = replayed(played, list(played.members[0].model.parameters()))
    assert torch.equal(train(played, tiny, config), train(eager, tiny, config))
    assert_same_bits(played.members, eager.members)
    assert captures.played > captures.made >= 1


def test_replayed_stacks_have_the_bits_of_eager_ones(tiny, base):
    configs = [base, base.replace("model.tau", 0.0), base.replace("loss.lambda_s", 1.0)]
    eager, played = (Stack(make_members(configs, tiny)) for _ in range(2))
    captures = replayed(played, list(played._parameters.values()))
    assert torch.equal(train(played, tiny, base), train(eager, tiny, base))
    assert_same_bits(played.members, eager.members)
    assert captures.played > captures.made >= 1


def test_every_shape_has_a_graph_of_its_own(tiny, base):
    group = Solo(make_members([base], tiny)[0])
    captures = replayed(group, list(group.members[0].model.parameters()))
    train(group, tiny, base)
    shapes = {}
    for epoch in range(1, EPOCHS + 1):
        for _, batch in batches(tiny, base, epoch):
            shape = (tuple(batch.audio.shape), batch.slots, len(batch.answer))
            shapes[shape] = shapes.get(shape, 0) + 1
    assert captures.made == sum(count > WARM_UP for count in shapes.values())


def test_graphs_stay_when_memory_for_others_ends(tiny, base, caplog):
    eager, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member, answers = played.members[0], iter([True])
    captures = Captures(member.model.parameters())
    played._backward = Graphs(
        played._backward, member.model.parameters(), captures, lambda: next(answers, False)
    )
    assert torch.equal(train(played, tiny, base), train(eager, tiny, base))
    assert_same_bits(played.members, eager.members)
    assert captures.made == 1
    assert captures.played > 1
    assert not caplog.text


@pytest.mark.parametrize("error", [0.5, 1e-3])
def test_a_replay_beyond_roundings_tolerance_is_not_used(error, tiny, base, caplog):
    eager, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    captures = replayed(played, list(played.members[0].model.parameters()), error=error)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(eager, tiny, base))
    assert_same_bits(played.members, eager.members)
    assert captures.played == 1
    assert "other numbers" in caplog.text


def test_a_graph_that_replays_its_own_batch_for_ever_is_not_used(tiny, base, caplog):
    def empty(run):
        return run().clone(), lambda: None

    eager, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member = played.members[0]
    played._backward = Graphs(played._backward, list(member.model.parameters()), empty)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(eager, tiny, base))
    assert_same_bits(played.members, eager.members)
    assert "other numbers" in caplog.text


def test_a_stack_is_freed_without_a_search_for_cycles(tiny, base):
    gc.collect()
    gc.disable()
    try:
        stack = Stack(make_members([base, base.replace("model.tau", 0.0)], tiny))
        train(stack, tiny, base)
        seen = weakref.ref(stack)
        del stack
        assert seen() is None
    finally:
        gc.enable()


def test_steps_go_on_where_nothing_can_be_captured(tiny, base, caplog):
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    eager, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member = played.members[0]
    played._backward = Graphs(played._backward, list(member.model.parameters()), refuse)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(eager, tiny, base))
    assert_same_bits(played.members, eager.members)
    assert caplog.text.count("not permitted") == 1


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.startswith("bf")])
def test_a_step_never_asks_the_device_for_a_value(name, tiny, base):
    """Tensors without data: whoever waits for a value of one gets an error."""
    config = base.with_values(VARIANTS[name])
    members = make_members([config, config.replace("optimiser.learning_rate", 1e-4)], tiny)
    source = BatchSource(tiny.questions("train"), tiny.features(config), config)
    batch = next(source.training(0, 1)).to("meta")
    noise = Noise(noise_key(0, 1, 0, "meta"), batch.rows)
    for member in members:
        member.model.to("meta")
        member.device = "meta"
        assert Solo(member).gradients(batch, noise, "train").is_meta
    assert Stack(members).gradients(batch, noise, "train").is_meta
    with pytest.raises((RuntimeError, NotImplementedError)):
        batch.audio.sum().item()
