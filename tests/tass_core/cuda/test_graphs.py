"""Steps replayed from recordings train as plain ones, and what cannot be trusted is not used.

Where there is no CUDA device, a recording is played by running the step again on the tensors
that it was recorded with: what is copied, compared and handed over is the same.
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


class Recorder:
    """Plays a recording back as CUDA does: into the memory that the recording left."""

    def __init__(self, parameters, *, error=0.0):
        self.parameters, self.error, self.recorded, self.played = list(parameters), error, 0, 0

    def __call__(self, run):
        self.recorded += 1
        values = run()
        gradients = [parameter.grad for parameter in self.parameters]

        def replay():
            self.played += 1
            values.copy_(run() + self.error)
            for held, parameter in zip(gradients, self.parameters, strict=True):
                if held is not None:
                    held.copy_(parameter.grad)

        return values, replay


def replayed(crew, parameters, **how):
    recorder = Recorder(parameters, **how)
    crew._backward = Graphs(crew._backward, parameters, recorder)
    return recorder


def train(crew, dataset, config, seed=0):
    for epoch in range(1, EPOCHS + 1):
        for member in crew.members:
            member.start_epoch(epoch)
        for step, batch in batches(dataset, config, epoch):
            take_step(crew, batch, epoch, step)
    return torch.stack([torch.stack(member._sums) for member in crew.members])


def assert_same_bits(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        for name, value in other.model.named_parameters():
            assert torch.equal(one.model.get_parameter(name), value), name


@pytest.mark.parametrize("name", ["full", "w/o TSG+", "w/o JTG", "dual", "clip soft", "bf16"])
def test_replayed_steps_have_the_bits_of_plain_ones(name, tiny, base):
    config = base.with_values(VARIANTS[name])
    plain, played = (Solo(make_members([config], tiny)[0]) for _ in range(2))
    recorder = replayed(played, list(played.members[0].model.parameters()))
    assert torch.equal(train(played, tiny, config), train(plain, tiny, config))
    assert_same_bits(played.members, plain.members)
    assert recorder.played > recorder.recorded >= 1


def test_replayed_stacks_have_the_bits_of_plain_ones(tiny, base):
    configs = [base, base.replace("model.tau", 0.0), base.replace("loss.lambda_s", 1.0)]
    plain, played = (Stack(make_members(configs, tiny)) for _ in range(2))
    recorder = replayed(played, list(played._parameters.values()))
    assert torch.equal(train(played, tiny, base), train(plain, tiny, base))
    assert_same_bits(played.members, plain.members)
    assert recorder.played > recorder.recorded >= 1


def test_every_shape_has_a_recording_of_its_own(tiny, base):
    crew = Solo(make_members([base], tiny)[0])
    recorder = replayed(crew, list(crew.members[0].model.parameters()))
    train(crew, tiny, base)
    shapes = {}
    for epoch in range(1, EPOCHS + 1):
        for _, batch in batches(tiny, base, epoch):
            shape = (tuple(batch.audio.shape), batch.slots, len(batch.answer))
            shapes[shape] = shapes.get(shape, 0) + 1
    assert recorder.recorded == sum(count > WARM_UP for count in shapes.values())


def test_recordings_stay_when_memory_for_others_ends(tiny, base, caplog):
    plain, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member, answers = played.members[0], iter([True])
    recorder = Recorder(member.model.parameters())
    played._backward = Graphs(
        played._backward, member.model.parameters(), recorder, lambda: next(answers, False)
    )
    assert torch.equal(train(played, tiny, base), train(plain, tiny, base))
    assert_same_bits(played.members, plain.members)
    assert recorder.recorded == 1
    assert recorder.played > 1
    assert not caplog.text


def test_a_recording_that_plays_other_numbers_is_not_used(tiny, base, caplog):
    plain, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    recorder = replayed(played, list(played.members[0].model.parameters()), error=0.5)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(plain, tiny, base))
    assert_same_bits(played.members, plain.members)
    assert recorder.played == 1
    assert "other numbers" in caplog.text


def test_a_recording_that_plays_its_own_batch_for_ever_is_not_used(tiny, base, caplog):
    def empty(run):
        return run().clone(), lambda: None

    plain, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member = played.members[0]
    played._backward = Graphs(played._backward, list(member.model.parameters()), empty)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(plain, tiny, base))
    assert_same_bits(played.members, plain.members)
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


def test_steps_go_on_where_nothing_can_be_recorded(tiny, base, caplog):
    def refuse(run):
        raise RuntimeError("operation not permitted when stream is capturing")

    plain, played = (Solo(make_members([base], tiny)[0]) for _ in range(2))
    member = played.members[0]
    played._backward = Graphs(played._backward, list(member.model.parameters()), refuse)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(train(played, tiny, base), train(plain, tiny, base))
    assert_same_bits(played.members, plain.members)
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
