"""One query's attention is that over projected keys and values, in value and in gradient."""

import math

import pytest
import torch

from tass_core.randomness import noise_key
from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.protocol import Noise

NOISES = {
    "evaluation": None,
    "training": Noise(noise_key(0, 1, 2), torch.arange(4)),
}


def textbook(module, question, stream, noise):
    """Eq. 14-15 with a key and a value for every row of the stream."""
    query = module.query(question).unflatten(-1, (module.heads, 1, -1))
    key = module.key(stream).unflatten(-1, (module.heads, -1)).transpose(1, 2)
    value = module.value(stream).unflatten(-1, (module.heads, -1)).transpose(1, 2)
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    weights = scores.softmax(dim=-1)
    attended = module.output((module.drop_weights(weights, noise) @ value).flatten(1))
    hidden = module.drop_hidden(torch.relu(module.feed_in(attended)), noise)
    feed = module.drop_feed(module.feed_out(hidden), noise)
    return module.norm(attended + feed), weights.squeeze(2).mean(dim=1)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("heads", [1, 4])
def test_values_and_gradients_are_those_of_projected_keys_and_values(noise, heads):
    torch.manual_seed(0)
    module = QuestionAttention(12, heads, attention_dropout=0.3, dropout=0.2, name="x").double()
    question = torch.randn(4, 12, dtype=torch.float64, requires_grad=True)
    stream = torch.randn(4, 7, 12, dtype=torch.float64, requires_grad=True)
    sides = [torch.randn(4, 12).double(), torch.randn(4, 7).double()]
    leaves, gradients = [question, stream, *module.parameters()], []
    for attend in (module, lambda *inputs: textbook(module, *inputs)):
        outputs = attend(question, stream, NOISES[noise])
        loss = sum((one * side).sum() for one, side in zip(outputs, sides, strict=True))
        gradients.append([*outputs, *torch.autograd.grad(loss, leaves)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)
