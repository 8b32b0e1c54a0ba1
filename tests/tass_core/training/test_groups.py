"""Members that train stacked get the numbers they get alone, up to rounding."""

import pytest
import torch

from tass_core.batches.source import BatchSource
from tass_core.training.groups import Stack, make_stacks
from tass_core.training.member import LOSSES, Member
from tass_core.training.vmap_lstm import written_lstm
from tass_core.trial import Trial, structure_key
from tests.tass_core.training.test_variants import VARIANTS

EPOCHS = 3
NOISE = "key.bias"
"""A bias of the attention's keys shifts all scores of a softmax alike: its true gradient is
0, and Adam makes full steps of what rounding leaves of it."""


def make_members(configs, dataset):
    features, shapes = dataset.features(configs[0]), dataset.shapes(configs[0])
    return [Member(Trial(config, 0), shapes, features, "cpu") for config in configs]


def batches(dataset, config, epoch):
    source = BatchSource(dataset.questions("train"), dataset.features(config), config)
    return enumerate(source.training(0, epoch))


def train(members, dataset, config, *, width):
    """Train some epochs, stacked where the width is above 1; return the losses of each."""
    groups = make_stacks(members, width)
    stacks = [Stack(group) for group in groups] if width > 1 else []
    losses = []
    for epoch in range(1, EPOCHS + 1):
        for member in members:
            member.start_epoch(epoch)
        for step, batch in batches(dataset, config, epoch):
            for stack in stacks:
                stack.step(batch, epoch, step)
            for member in members if width == 1 else []:
                member.step(batch, epoch, step)
        found = [member.epoch_losses(len(dataset.questions("train")))[0] for member in members]
        losses.append([[loss[name] for name in LOSSES] for loss in found])
    return torch.tensor(losses)


def assert_alike(fused, solo, *, rounding=1e-4):
    """Compare each parameter by norm: Adam steps fully where a gradient is next to nothing."""
    for name, value in solo.model.named_parameters():
        if not name.endswith(NOISE):
            apart, norm = (fused.model.get_parameter(name) - value).norm(), value.norm()
            assert apart <= rounding * norm, f"{name} is {apart:.1e} apart, its norm {norm:.1e}"


def compare(configs, dataset, *, rounding=1e-4, losses=1e-5):
    solo, fused = make_members(configs, dataset), make_members(configs, dataset)
    want = train(solo, dataset, configs[0], width=1)
    found = train(fused, dataset, configs[0], width=len(configs))
    torch.testing.assert_close(found, want, rtol=losses, atol=losses)
    for one, other in zip(fused, solo, strict=True):
        assert_alike(one, other, rounding=rounding)


SWITCHES = [
    {},
    {"model.target_aware": False},
    {"model.tau": 0.0},
    {"model.merge": "mul", "model.tau": 0.02},
    {"model.merge": "max"},
    {"loss.cms": "none"},
    {"loss.cms": "legacy"},
    {"loss.renormalise": False},
    {"loss.lambda_s": 2.0},
    {"model.ordering": "il-av"},
    {"model.ordering": "cat-va"},
    {"model.ordering": "cat-av"},
    {"optimiser.learning_rate": 5e-4},
    {"optimiser.weight_decay": 0.01},
]


def test_members_that_differ_in_every_switch_train_as_they_do_alone(base, tiny):
    configs = [base.with_values(change) for change in SWITCHES]
    assert len({structure_key(config) for config in configs}) == 1
    assert len(make_stacks(make_members(configs, tiny), 99)) == 1
    compare(configs, tiny)


@pytest.mark.parametrize("name", [n for n in VARIANTS if n not in ("bf16", "stage 1")])
def test_a_variant_trains_stacked_as_it_does_alone(name, base, tiny):
    config = base.with_values(VARIANTS[name])
    compare([config, config.replace("optimiser.learning_rate", 1e-3)], tiny)


def test_bf16_members_stay_within_its_rounding(base, tiny):
    config = base.replace("optimiser.precision", "bf16")
    changes = ({}, {"model.merge": "mul"})
    compare([config.with_values(c) for c in changes], tiny, rounding=0.1, losses=5e-3)


def test_pretraining_moves_only_what_it_moves_alone(base, tiny):
    config = base.replace("model.init_from", "match")
    configs = [config, config.replace("loss.lambda_s", 2.0)]
    solo, fused = make_members(configs, tiny), make_members(configs, tiny)
    stack = Stack(fused)
    for step, batch in batches(tiny, config, 0):
        for member in solo:
            member.step(batch, 0, step)
        stack.step(batch, 0, step)
    for one, other in zip(fused, solo, strict=True):
        assert_alike(one, other)
        torch.testing.assert_close(one.model.classify.weight, other.model.classify.weight)


def test_members_without_the_match_task_make_a_stack_of_their_own(base, tiny):
    changes = [{}, {"loss.match": False}, {"model.tau": 0.0}, {"model.dropout": 0.5}]
    members = make_members([base.with_values(c) for c in changes], tiny)
    assert make_stacks(members, 8) == [[members[0], members[2]], [members[1]], [members[3]]]


def test_a_group_above_the_width_is_shared_out_evenly(base, tiny):
    configs = [base.replace("model.tau", tau / 100) for tau in range(5)]
    assert [len(stack) for stack in make_stacks(make_members(configs, tiny), 4)] == [2, 3]


def test_a_member_that_leaves_changes_nothing_for_the_others(base, tiny):
    configs = [base.replace("loss.lambda_s", value) for value in (0.5, 1.0, 2.0)]
    solo, fused = make_members(configs[1:], tiny), make_members(configs, tiny)
    for members in ([*fused], fused[1:]):
        stack = Stack(members)
        for step, batch in batches(tiny, base, 1):
            stack.step(batch, 1, step)
    for _ in range(2):
        for step, batch in batches(tiny, base, 1):
            for member in solo:
                member.step(batch, 1, step)
    for one, other in zip(fused[1:], solo, strict=True):
        assert_alike(one, other)


def test_a_member_that_breaks_breaks_alone(base, tiny):
    configs = [base, base.replace("optimiser.learning_rate", 1e30)]
    solo, fused = make_members(configs[:1], tiny), make_members(configs, tiny)
    want = train(solo, tiny, base, width=1)
    found = train(fused, tiny, base, width=2)
    torch.testing.assert_close(found[:, :1], want, rtol=1e-5, atol=1e-5)
    assert not found[:, 1].isfinite().all()


def test_outputs_in_evaluation_are_those_of_each_member(base, tiny):
    configs = [base, base.replace("model.merge", "mul"), base.replace("model.ordering", "cat-av")]
    members = make_members(configs, tiny)
    _, batch = next(batches(tiny, base, 1))
    want = [member.model(batch) for member in members]
    for found, output in zip(Stack(members).forward(batch), want, strict=True):
        torch.testing.assert_close(found.logits, output.logits)
        torch.testing.assert_close(found.spatial_weights, output.spatial_weights)
        torch.testing.assert_close(found.visual_weights, output.visual_weights)
        torch.testing.assert_close(found.audio_weights, output.audio_weights)
        assert found.matched is None


def test_the_written_lstm_is_the_librarys():
    torch.manual_seed(0)
    values = torch.randn(5, 7, 6)
    both = torch.nn.LSTM(6, 4, batch_first=True, bidirectional=True)
    states, hidden, cell = written_lstm(values, list(both.parameters()))
    want, (last, last_cell) = both(values)
    torch.testing.assert_close(states, want)
    torch.testing.assert_close(hidden, last)
    torch.testing.assert_close(cell, last_cell)


def test_the_written_lstm_stops_at_each_rows_end():
    torch.manual_seed(0)
    values, lengths = torch.randn(3, 5, 6), torch.tensor([2, 5, 1])
    lstm = torch.nn.LSTM(6, 4, batch_first=True)
    states, hidden, cell = written_lstm(values, list(lstm.parameters()), lengths)
    for row, length in enumerate(lengths.tolist()):
        want, (last, last_cell) = lstm(values[row : row + 1, :length])
        torch.testing.assert_close(states[row, :length], want[0])
        assert not states[row, length:].any()
        torch.testing.assert_close(hidden[0, row], last[0, 0])
        torch.testing.assert_close(cell[0, row], last_cell[0, 0])
