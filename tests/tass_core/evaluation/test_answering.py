"""A split answered in batches is the split answered question by question."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tass_core.batches.source import BatchSource
from tass_core.evaluation.answering import evaluate_all, shortfalls
from tass_core.systems.protocol import Output


def oracle(answers):
    """A network that looks at nothing but its video's first sound, and the answers it must know."""

    def forward(batch):
        score = batch.audio[batch.video].float().sum(dim=(1, 2))
        logits = torch.sin(score[:, None] * torch.arange(1, answers + 1))
        return [Output(logits), Output(-logits)]

    return forward


def test_answers_are_in_the_splits_order(tiny, base):
    questions, audio = tiny.questions("val"), tiny.features(base).audio
    source = BatchSource(questions, tiny.features(base), base)
    first, second = evaluate_all(oracle(len(tiny.answers)), source)
    score = torch.from_numpy(np.array(audio)).float().sum(dim=(1, 2))[questions.video]
    logits = torch.sin(score[:, None] * torch.arange(1, len(tiny.answers) + 1))
    np.testing.assert_array_equal(first.predicted, logits.argmax(dim=1))
    np.testing.assert_array_equal(second.predicted, logits.argmin(dim=1))
    answer = torch.from_numpy(questions.answer)
    wanted = functional.cross_entropy(logits.double(), answer).item()
    assert first.metrics["loss"] == pytest.approx(wanted, rel=1e-5)
    right = (logits.argmax(dim=1) == answer).double().mean().item()
    assert first.metrics["all"] == pytest.approx(100 * right)
    found = first.predictions("val", tiny)
    assert found.video.tolist() == [tiny.video_ids[row] for row in questions.video]
    assert found.predicted.tolist() == [tiny.answers[row] for row in first.predicted]


def test_an_answers_shortfall_is_how_far_its_logit_is_below_the_largest(tiny, base):
    questions, audio = tiny.questions("val"), tiny.features(base).audio
    network = oracle(len(tiny.answers))
    asked = np.arange(len(questions)) % len(tiny.answers)

    found = shortfalls(lambda batch: network(batch)[0], tiny, base, "val", asked)

    score = torch.from_numpy(np.array(audio)).float().sum(dim=(1, 2))[questions.video]
    logits = torch.sin(score[:, None] * torch.arange(1, len(tiny.answers) + 1)).numpy()
    wanted = logits.max(axis=1) - logits[np.arange(len(asked)), asked]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found == 0, asked == logits.argmax(axis=1))
