"""The words' LSTM stops at each question's last word, as the library does with packed words."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tass_core.systems.blocks.question import WordLSTM

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
