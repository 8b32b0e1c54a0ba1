"""Members that train stacked get the numbers they get alone, up to rounding.

Whole epochs are compared in float64, where rounding stays far below any mistake. In float32 a
ReLU on the other side of zero is enough for two trainings to part, so only one step is compared.
"""

import pytest
import torch

from tass_core.batches.source import BatchSource
from tass_core.randomness import noise_key
from tass_core.systems.protocol import Noise
from tass_core.systems.tass.config import ORDERINGS
from tass_core.training.groups import Solo, Stack, make_groups, make_stacks, take_step
from tass_core.training.member import Member
from tass_core.training.vmap_lstm import written_lstm
from tass_core.trial import Trial, structure_key
from tests.tass_core.training.test_variants import VARIANTS


def make_members(configs, dataset):
    features, shapes = dataset.features(configs[0]), dataset.shapes(configs[0])
    return [Member(Trial(config, 0), shapes, features, "cpu") for config in configs]


def exact_members(configs, dataset):
    """Return members that compute in float64."""
    members = make_members(configs, dataset)
    for member in members:
        member.model.double()
    return members


def batches(dataset, config, epoch):
    source = BatchSource(dataset.questions("train"), dataset.features(config), config)
    return enumerate(source.training(0, epoch))


def exact(batch):
    return batch.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def train(groups, dataset, config, epochs=(1, 2)):
    """Train in float64; return the losses of every member in every epoch."""
    losses = []
    for epoch in epochs:
        for group in groups:
            for member in group.members:
                member.start_epoch(epoch)
        for step, batch in batches(dataset, config, epoch):
            for group in groups:
                take_step(group, exact(batch), epoch, step)
        questions = len(dataset.questions("train"))
        found = [m.epoch_losses(questions)[0] for group in groups for m in group.members]
        losses.append([list(loss.values()) for loss in found])
    return torch.tensor(losses, dtype=torch.float64)


def assert_same(members, others):
    for one, other in zip(members, others, strict=True):
        for name, value in other.model.named_parameters():
            found = one.model.get_parameter(name)
            torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9, msg=name)


def compare(configs, dataset, epochs=(1, 2)):
    solo, fused = exact_members(configs, dataset), exact_members(configs, dataset)
    want = train([Solo(member) for member in solo], dataset, configs[0], epochs)
    found = train([Stack(fused)], dataset, configs[0], epochs)
    torch.testing.assert_close(found, want, rtol=1e-9, atol=1e-9)
    assert_same(fused, solo)


SWITCHES = [
    {},
    {"model.tau": 0.0},
    {"model.tau": 0.02},
    {"loss.cms": "none"},
    {"loss.cms": "legacy"},
    {"loss.renormalise": False},
    {"loss.lambda_s": 2.0},
    {"optimiser.learning_rate": 5e-4},
    {"optimiser.weight_decay": 0.01},
    {"optimiser.beta1": 0.5},
]


def test_members_that_differ_in_every_switch_train_as_they_do_alone(base, tiny):
    configs = [base.with_values(change) for change in SWITCHES]
    assert len({structure_key(config) for config in configs}) == 1
    assert len(make_stacks(make_members(configs, tiny), 99)) == 1
    compare(configs, tiny)


@pytest.mark.parametrize("position", ["sinusoidal", "learned"])
def test_members_that_differ_in_the_ordering_train_as_they_do_alone(position, base, tiny):
    known = base.replace("model.position", position)
    configs = [known.replace("model.ordering", ordering) for ordering in ORDERINGS]
    assert len(make_stacks(make_members(configs, tiny), 99)) == 1
    compare(configs, tiny, epochs=(1,))


@pytest.mark.parametrize("name", [n for n in VARIANTS if n not in ("bf16", "stage 1")])
def test_a_variant_trains_stacked_as_it_does_alone(name, base, tiny):
    config = base.with_values(VARIANTS[name])
    compare([config, config.replace("optimiser.learning_rate", 1e-3)], tiny, epochs=(1,))


def test_pretraining_moves_only_what_it_moves_alone(base, tiny):
    config = base.with_values(VARIANTS["stage 1"])
    configs = [config, config.replace("loss.lambda_s", 2.0)]
    compare(configs, tiny, epochs=(0, 1))
    fused, before = exact_members(configs, tiny), exact_members(configs, tiny)
    train([Stack(fused)], tiny, config, epochs=(0,))
    for one, other in zip(fused, before, strict=True):
        assert torch.equal(one.model.classify.weight, other.model.classify.weight)
        assert not torch.equal(one.model.match[0].weight, other.model.match[0].weight)


@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-3), ("bf16", 0.1)])
def test_a_step_in_less_precision_has_the_gradients_of_members_alone(precision, near, base, tiny):
    config = base.replace("optimiser.precision", precision)
    configs = [config, config.replace("loss.lambda_s", 2.0)]
    solo, fused = make_members(configs, tiny), make_members(configs, tiny)
    _, batch = next(batches(tiny, config, 1))
    noise = Noise(noise_key(0, 1, 0), batch.rows)
    want = torch.cat([Solo(member).gradients(batch, noise, "train") for member in solo])
    torch.testing.assert_close(
        Stack(fused).gradients(batch, noise, "train"), want, rtol=near, atol=near
    )
    for one, other in zip(fused, solo, strict=True):
        largest = max(p.grad.norm() for p in other.model.parameters())
        for name, parameter in other.model.named_parameters():
            apart = (one.model.get_parameter(name).grad - parameter.grad).norm()
            assert apart <= near * (parameter.grad.norm() + 1e-2 * largest), name


def test_members_without_the_match_task_make_a_stack_of_their_own(base, tiny):
    changes = [{}, {"loss.match": False}, {"model.tau": 0.0}, {"model.dropout": 0.5}]
    members = make_members([base.with_values(c) for c in changes], tiny)
    assert make_stacks(members, 8) == [[members[0], members[2]], [members[1]], [members[3]]]


@pytest.mark.parametrize("change", [{"model.merge": "mul"}, {"model.structure": "dual"}])
def test_members_with_other_networks_are_not_stacked(change, base, tiny):
    members = make_members([base, base.with_values(change)], tiny)
    assert [type(group) for group in make_groups(members, 2)] == [Solo, Solo]


def test_a_group_above_the_width_is_shared_out_evenly(base, tiny):
    configs = [base.replace("model.tau", tau / 100) for tau in range(5)]
    assert [len(stack) for stack in make_stacks(make_members(configs, tiny), 4)] == [2, 3]


def test_a_member_that_leaves_changes_nothing_for_the_others(base, tiny):
    configs = [base.replace("loss.lambda_s", value) for value in (0.5, 1.0, 2.0)]
    solo, fused = exact_members(configs[1:], tiny), exact_members(configs, tiny)
    train([Stack(fused)], tiny, base, epochs=(1,))
    train([Stack(fused[1:])], tiny, base, epochs=(2,))
    train([Solo(member) for member in solo], tiny, base)
    assert_same(fused[1:], solo)


def test_a_member_that_breaks_breaks_alone(base, tiny):
    configs = [base, base.replace("optimiser.learning_rate", 1e150)]
    (solo,), fused = exact_members(configs[:1], tiny), exact_members(configs, tiny)
    want = train([Solo(solo)], tiny, base)
    found = train([Stack(fused)], tiny, base)
    torch.testing.assert_close(found[:, :1], want, rtol=1e-9, atol=1e-9)
    assert not found[:, 1].isfinite().all()


def test_outputs_in_evaluation_are_those_of_each_member(base, tiny):
    configs = [base.replace("model.tau", tau) for tau in (0.0, 0.02, 0.5)]
    members = exact_members(configs, tiny)
    _, batch = next(batches(tiny, base, 1))
    batch = exact(batch)
    want = [member.forward(batch).tensors() for member in members]
    for found, alone in zip(Stack(members).outputs(batch), want, strict=True):
        assert found.tensors().keys() == alone.keys()
        assert not found.extra
        for name, tensor in found.tensors().items():
            torch.testing.assert_close(tensor, alone[name], rtol=1e-9, atol=1e-9)


NORMALISED = """
from dataclasses import replace
from torch import nn
from tass_core.systems.avst import AVST

class Normalised(nn.Module):
    def __init__(self, network, answers):
        super().__init__()
        self.network, self.norm = network, nn.BatchNorm1d(answers)

    def forward(self, batch, noise=None):
        output = self.network(batch, noise)
        return replace(output, logits=output.logits + self.norm(output.logits))

def build(model, loss, shapes):
    return Normalised(AVST.build(model, loss, shapes), shapes.answers)

MYNET = replace(AVST, name="mynet", build=build, word_vectors=None)
"""


def test_buffers_that_training_changes_are_each_members_own(base, tiny, install):
    install(NORMALISED)
    config = base.with_values({"system": "mynet", "model.width": 16, "model.heads": 2})
    configs = [config, config.replace("optimiser.learning_rate", 1e-2)]
    solo, fused = exact_members(configs, tiny), exact_members(configs, tiny)
    train([Solo(member) for member in solo], tiny, config)
    train([Stack(fused)], tiny, config)
    assert_same(fused, solo)
    for one, other in zip(fused, solo, strict=True):
        found, wanted = one.model.norm, other.model.norm
        torch.testing.assert_close(found.running_mean, wanted.running_mean, rtol=1e-9, atol=1e-9)
        assert found.num_batches_tracked == wanted.num_batches_tracked > 0
    assert not torch.equal(fused[0].model.norm.running_mean, fused[1].model.norm.running_mean)


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


def test_bf16_is_autocast_on_a_cpu_too(base, tiny):
    (member,) = make_members([base.replace("optimiser.precision", "bf16")], tiny)
    ones = torch.ones(2, 2)
    with member.precision():
        assert (ones @ ones).dtype == torch.bfloat16
    assert (ones @ ones).dtype == torch.float32
    assert all(weights.dtype == torch.float32 for weights in member.model.parameters())
