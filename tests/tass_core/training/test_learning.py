"""That training learns: on the tiny world it beats whoever knows the commonest answer."""

import numpy as np

from tass_core.training.pack import train_pack
from tass_core.trial import Trial

LONG = {"optimiser.epochs": 30, "optimiser.step_size": 20}


def test_the_full_model_learns_what_an_answers_frequency_does_not_tell(tiny, base, tmp_path):
    *_, last, end = train_pack([Trial(base.with_values(LONG), 0)], tiny, folder=tmp_path)
    train, test = tiny.questions("train"), tiny.questions("test")
    share = np.bincount(train.answer) / len(train)
    guessed = 100.0 * float((test.answer == share.argmax()).mean())
    assert end.metrics["test/all"] > guessed + 6.0
    share = share[share > 0]
    assert last.metrics["train/loss_qa"] < 0.5 * -(share * np.log(share)).sum()
