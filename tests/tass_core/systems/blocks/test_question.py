"""The words' LSTM stops at each question's last word, as the library does with packed words."""

import pytest
import torch
from torch.func import functional_call, vmap
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tass_core.systems.blocks.question import WordLSTM, look_up
from tass_core.training.vmap_lstm import StackedWordLSTM

COUNTS = torch.tensor([1, 6, 3, 4])


def packed(lstm, words):
    sequence = pack_padded_sequence(words, COUNTS, batch_first=True, enforce_sorted=False)
    states, (hidden, cell) = torch.nn.LSTM.forward(lstm, sequence)
    padded, _ = pad_packed_sequence(states, batch_first=True, total_length=words.shape[1])
    return padded, hidden[0], cell[0]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_states_and_gradients_are_those_of_packed_words(dtype, near):
    torch.manual_seed(0)
    lstm = WordLSTM(5, 7, batch_first=True).to(dtype)
    words = (3 * torch.randn(4, 6, 5, dtype=dtype)).requires_grad_()
    weights = [torch.randn(4, 6, 7), torch.randn(4, 7), torch.randn(4, 7)]
    leaves, gradients = [words, *lstm.parameters()], []
    for outputs in (lstm(words, COUNTS), packed(lstm, words)):
        loss = sum((one * weight).sum() for one, weight in zip(outputs, weights, strict=True))
        gradients.append([*outputs, *torch.autograd.grad(loss, leaves)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=near, rtol=near)


def test_what_stands_in_the_padding_does_not_matter():
    torch.manual_seed(1)
    lstm, words = WordLSTM(5, 7, batch_first=True), torch.randn(4, 6, 5)
    other = words.clone()
    for row, count in enumerate(COUNTS.tolist()):
        other[row, count:] = 50.0
    for one, same in zip(lstm(words, COUNTS), lstm(other, COUNTS), strict=True):
        assert torch.equal(one, same)


def read_narrow(lstm, parameters, vectors, tokens):
    words, narrow = look_up(vectors, tokens)
    assert words.shape == (4, 6, 4)
    return functional_call(lstm, parameters, (words, COUNTS, narrow))


@pytest.mark.parametrize("stacked", [False, True])
def test_words_of_a_narrow_vocabulary_are_read_as_their_vectors_are(stacked):
    torch.manual_seed(2)
    lstm, tokens = WordLSTM(9, 7, batch_first=True).double(), torch.randint(4, (4, 6))
    members = {n: torch.stack([p, 2 * p]).detach() for n, p in lstm.named_parameters()}
    leaves = [torch.randn(2, 4, 9, dtype=torch.float64), *members.values()]
    for leaf in leaves:
        leaf.requires_grad_()
    if stacked:
        read = vmap(lambda own, v: read_narrow(StackedWordLSTM(lstm), own, v, tokens))
        found = read(members, leaves[0])
    else:
        found = alone(lambda own, v: read_narrow(lstm, own, v, tokens), members, leaves[0])
    wanted = alone(
        lambda own, v: functional_call(lstm, own, (v[tokens], COUNTS)), members, leaves[0]
    )
    gradients = [
        [*outputs, *torch.autograd.grad(sum(one.square().sum() for one in outputs), leaves)]
        for outputs in (found, wanted)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def alone(read, members, vectors):
    """Run the members one by one and stack what they return."""
    found = [read({n: p[i] for n, p in members.items()}, vectors[i]) for i in range(2)]
    return [torch.stack(outputs) for outputs in zip(*found, strict=True)]


def test_words_of_a_wide_vocabulary_are_their_vectors():
    vectors, tokens = torch.randn(9, 5), torch.randint(9, (4, 6))
    words, narrow = look_up(vectors, tokens)
    assert narrow is None
    assert torch.equal(words, vectors[tokens])
