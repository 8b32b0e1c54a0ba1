"""A joined layer by halves is the plain layer on both features side by side."""

import torch
from torch.nn import functional

from tass_core.systems.blocks.joined import JoinedLinear
from tass_core.systems.blocks.match import MatchHead


def same_gradients(found, wanted, leaves):
    for one, other in zip(
        [found, *torch.autograd.grad(found.square().sum(), leaves)],
        [wanted, *torch.autograd.grad(wanted.square().sum(), leaves)],
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def features(rows):
    return torch.randn(rows, 6, dtype=torch.float64, requires_grad=True)


def test_halves_add_up_to_the_layer_on_both():
    torch.manual_seed(0)
    layer, one, two = JoinedLinear(6, 5).double(), features(2), features(7)
    owner = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    found = layer.one(one)[owner] + layer.two(two)
    wanted = functional.linear(torch.cat([one[owner], two], dim=-1), layer.weight, layer.bias)
    same_gradients(found, wanted, [one, two, *layer.parameters()])


def test_the_match_head_is_its_layers_on_sound_and_frame():
    torch.manual_seed(0)
    head, sound, frame = MatchHead(6).double(), features(7), features(7)
    wanted = torch.cat([sound, frame], dim=-1)
    for layer in head:
        wanted = layer(wanted)
    same_gradients(head(head.hear(sound), frame), wanted, [sound, frame, *head.parameters()])
