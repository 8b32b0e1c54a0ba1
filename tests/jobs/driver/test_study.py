"""Optuna proposes whole packs, hears of every member, and goes on after a crash."""

import optuna
import pytest
from optuna.trial import TrialState

from jobs.choices import Search
from jobs.driver.study import PackStudy, open_study
from search_spaces.document import Choice, Range, Sweep
from search_spaces.load import load
from search_spaces.plan import empty_plan
from tass_core.training.bracket import Halving
from tass_core.trial import structure_key
from tracking.events import EpochDone, TrialEnded


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def searcher(world, base, url, space="joint", trials=24, size=4, known=lambda _: None):
    sweep = load(space) if isinstance(space, str) else Sweep("made", "", space=space)
    plan = empty_plan(sweep, world, base, (0, 1))
    search = Search(trials, Halving(2, 1), 2, url)
    knobs = plan.document.space
    study = open_study(plan, knobs, search, "sqlite:///mlflow.db")
    return PackStudy(study, knobs, plan, search, size, known)


def accuracy(trial, epoch):
    """A landscape whose best point is a small learning rate and τ = 0.03."""
    config = trial.config
    return 50 + epoch - 1000 * abs(config.model.tau - 0.03) - 100 * config.optimiser.learning_rate


def epoch_done(key, epoch, value):
    metrics = {"val/all": value}
    return EpochDone(key=key, attempt=0, epoch=epoch, metrics=metrics, seconds=1.0, at=0.0)


def ended(key, status, value):
    metrics = {} if value is None else {"val/all": value}
    return TrialEnded(key=key, attempt=0, status=status, reason=None, metrics=metrics, at=0.0)


def finish(source, pack, epochs=3, pruned=0):
    """Tell what training would have told: the first ``pruned`` members stop after epoch 1."""
    for place, (key, trial) in enumerate(pack.members.items()):
        last = 1 if place < pruned else epochs
        values = {epoch: accuracy(trial, epoch) for epoch in range(1, last + 1)}
        events = [epoch_done(key, epoch, value) for epoch, value in values.items()]
        status = "pruned" if place < pruned else "finished"
        source.observe([*events, ended(key, status, values[last])])


def run_all(source, pruned=0):
    packs = []
    while (pack := source.next(1)) is not None:
        packs.append(pack)
        finish(source, pack, pruned=pruned)
    assert source.exhausted()
    return packs


def test_budget_is_spent_in_packs_of_one_structure(world, base, url):
    source = searcher(world, base, url)

    packs = run_all(source)

    assert len(source.study.trials) == 24
    for pack in packs:
        assert len({structure_key(trial.config) for trial in pack.members.values()}) == 1
        assert pack.halving == Halving(2, 1)


def test_default_config_is_the_first_proposal(world, base, url):
    pack = searcher(world, base, url).next(1)

    assert next(iter(pack.members.values())).config.hash() == base.hash()


def test_every_member_is_told_with_its_intermediate_values(world, base, url):
    source = searcher(world, base, url)
    run_all(source, pruned=2)

    states = [trial.state for trial in source.study.trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in source.study.trials:
        assert 1 in trial.intermediate_values
        if trial.state is TrialState.COMPLETE:
            assert trial.value == trial.intermediate_values[3]


def test_failed_member_is_told_as_failed(world, base, url):
    source = searcher(world, base, url, trials=1, size=1)
    pack = source.next(1)
    (key,) = pack.members

    source.observe([ended(key, "failed", None)])

    assert [trial.state for trial in source.study.trials] == [TrialState.FAIL]


def test_interrupted_packs_are_handed_out_again_as_they_were(world, base, url):
    before = searcher(world, base, url)
    finish(before, before.next(1))
    lost = [before.next(1), before.next(1)]

    after = searcher(world, base, url)
    again = [after.next(1), after.next(1)]

    assert [pack.key for pack in again] == [pack.key for pack in lost]
    for pack in again:
        finish(after, pack)
    run_all(after)
    assert len(after.study.trials) == 24
    assert all(trial.state is TrialState.COMPLETE for trial in after.study.trials)


def test_pack_interrupted_between_two_tells_is_completed(world, base, url):
    before = searcher(world, base, url)
    pack = before.next(1)
    first = next(iter(pack.members))
    before.observe([ended(first, "pruned", 1.0)])

    after = searcher(world, base, url)

    assert after.next(1).key == pack.key


def test_trial_that_mlflow_holds_is_told_and_not_trained(world, base, url):
    history = {1: 40.0, 2: 62.5, 3: 61.0}
    asked = searcher(world, base, url, trials=1, size=1, known=lambda _: history)

    assert asked.next(1) is None
    (told,) = asked.study.trials
    assert told.state is TrialState.COMPLETE
    assert told.value == 62.5
    assert told.intermediate_values == history


def test_repeated_proposal_costs_nothing_and_is_told(world, base, url):
    space = (Choice("model.ordering", ("il-va", "il-av", "cat-va", "cat-av")),)
    source = searcher(world, base, url, space=space, trials=20, size=4)

    packs = run_all(source)

    assert sum(len(pack.members) for pack in packs) == 4
    assert len(source.study.trials) == 20
    values = {}
    for trial in source.study.trials:
        assert trial.state is TrialState.COMPLETE
        values.setdefault(trial.params["model.ordering"], set()).add(trial.value)
    assert all(len(found) == 1 for found in values.values())


def test_search_learns(world, base, url):
    space = (Range("model.tau", 0.0, 0.05), Range("optimiser.learning_rate", 1e-4, 1e-1, log=True))
    source = searcher(world, base, url, space=space, trials=60, size=4)
    run_all(source)

    values = [trial.value for trial in source.study.trials]
    assert sum(values[-20:]) / 20 > sum(values[:20]) / 20


def test_knobs_without_effect_are_not_asked(world, base, url):
    source = searcher(world, base, url, trials=40)
    run_all(source)

    for trial in source.study.trials:
        params = trial.params
        if not params["model.spatial_grounding"]:
            assert "model.tau" not in params
            assert "loss.lambda_s" not in params
        if not params["model.temporal_grounding"]:
            assert "model.ordering" not in params


def test_best_are_different_variants_in_order(world, base, url):
    source = searcher(world, base, url)
    run_all(source)

    best = source.best(5)

    values = [trial.value for trial in best]
    assert values == sorted(values, reverse=True)
    assert values[0] == source.study.best_value
    assert len({source.config(trial).hash() for trial in best}) == 5


def test_another_space_or_base_config_has_another_study(world, base, url):
    one = searcher(world, base, url).study.study_name
    other = searcher(world, base.replace("model.heads", 2), url).study.study_name

    assert one == searcher(world, base, url).study.study_name
    assert one != other
    assert len(optuna.get_all_study_names(url)) == 2
