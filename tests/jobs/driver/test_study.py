"""Optuna proposes whole packs, hears of every member, and goes on after a crash."""

import dataclasses

import optuna
import pytest
from optuna.trial import TrialState

from jobs.choices import SAMPLERS, Search
from jobs.driver.proposals import Proposals
from jobs.driver.search import known_metrics, prefer, study_name, warm_up
from jobs.driver.study import PackStudy
from jobs.driver.study_writer import Past, StudyWriter
from jobs.packs import Pack
from jobs.storage.saved import SavedPack
from search_spaces.document import Choice, Range, Sweep
from search_spaces.load import load
from search_spaces.objectives import parse_constraint, parse_objectives
from search_spaces.plan import empty_plan
from tass_core.errors import SweepError
from tass_core.training.pruning import Halving
from tass_core.trial import Trial, structure_key, trial_key
from tracking.events import EpochDone, Origin, TrialEnded
from tracking.reader import TrialRun

ORIGIN = Origin("tiny", "f", "/runs")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def searcher(world, base, url=None, space="joint", trials=24, size=4, known=None, saved=(), **more):
    """A search whose database, if it has one, hears of everything at once."""
    sweep = load(space) if isinstance(space, str) else Sweep("made", "", space=space)
    plan = empty_plan(sweep, world, base, (0, 1))
    search = Search(trials, eta=2, min_epochs=1, confirm=2, storage=url, **more)
    name = study_name(plan, plan.document.space, search)
    if url is None:
        proposals = Proposals(name, search.directions, Past((), {}), lambda _: None)
    else:
        writer = StudyWriter(url, name, search.directions)
        proposals = Proposals(
            name, search.directions, writer.past(), lambda news: writer.apply(ORIGIN, news)
        )
    return PackStudy(
        proposals, plan.document.space, plan, search, size, known or {}, lambda: saved, lambda: None
    )


def told(source):
    """Return the trials that the database holds, or the driver where there is none."""
    if source.search.storage is None:
        return source.proposals.trials()
    study = optuna.load_study(study_name=source.proposals.name, storage=source.search.storage)
    return study.trials


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


def test_budget_is_spent_in_packs_of_one_structure(world, base):
    source = searcher(world, base)

    packs = run_all(source)

    assert len(told(source)) == 24
    for pack in packs:
        assert len({structure_key(trial.config) for trial in pack.members.values()}) == 1
        assert pack.pruner == Halving(2, 1)


def test_default_config_is_the_first_proposal(world, base):
    pack = searcher(world, base).next(1)

    assert next(iter(pack.members.values())).config.hash() == base.hash()


def test_every_member_is_told_with_its_intermediate_values(world, base, url):
    source = searcher(world, base, url)
    run_all(source, pruned=2)

    states = [trial.state for trial in told(source)]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in told(source):
        assert 1 in trial.intermediate_values
        if trial.state is TrialState.COMPLETE:
            assert trial.value == trial.intermediate_values[3]


def test_failed_member_is_told_as_failed(world, base):
    source = searcher(world, base, trials=1, size=1)
    pack = source.next(1)
    (key,) = pack.members

    source.observe([ended(key, "failed", None)])

    assert [trial.state for trial in told(source)] == [TrialState.FAIL]


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
    assert len(told(after)) == 24
    assert all(trial.state is TrialState.COMPLETE for trial in told(after))


def test_survivors_that_met_are_handed_out_together_again(world, base, url):
    before = searcher(world, base, url, space=FLAT, trials=12, size=2)
    packs = [before.next(1) for _ in range(3)]
    first, second, third = (list(pack.members) for pack in packs)
    before.observe([ended(key, "pruned", 1.0) for key in (first[1], second[1])])
    origins = {first[0]: packs[0].key, second[0]: packs[1].key}
    members = {first[0]: packs[0].members[first[0]], second[0]: packs[1].members[second[0]]}
    met = Pack(members, packs[0].pruner, since=1, origins=origins)
    there = [SavedPack(it, 1, dict.fromkeys(it.members, "running")) for it in (*packs, met)]

    after = searcher(world, base, url, space=FLAT, trials=12, size=2, saved=there)

    again = [after.next(1), after.next(1)]
    assert {tuple(pack.members) for pack in again} == {tuple(members), tuple(third)}
    assert met in again


def test_pack_interrupted_between_two_tells_is_completed(world, base, url):
    before = searcher(world, base, url)
    pack = before.next(1)
    first = next(iter(pack.members))
    before.observe([ended(first, "pruned", 1.0)])

    after = searcher(world, base, url)

    assert after.next(1).key == pack.key


def test_trial_that_mlflow_holds_is_told_and_not_trained(world, base, url):
    (key,) = searcher(world, base, trials=1, size=1).next(1).members

    source = searcher(world, base, url, trials=1, size=1, known={key: {"val/all": 62.5}})

    assert source.next(1) is None
    (trial,) = told(source)
    assert trial.state is TrialState.COMPLETE
    assert trial.value == 62.5


def test_resumed_search_goes_on_with_new_proposals(world, base, url):
    space = (Range("model.tau", 0.0, 0.05), Range("optimiser.learning_rate", 1e-4, 1e-1, log=True))
    before = searcher(world, base, url, space=space, trials=12, size=1)
    for _ in range(6):
        finish(before, before.next(1))

    after = searcher(world, base, url, space=space, trials=12, size=1)
    run_all(after)

    trials = told(after)
    assert len(trials) == 12
    assert len({tuple(trial.params.values()) for trial in trials}) == 12


FLAT = (
    Range("model.tau", 0.0, 0.05),
    Range("optimiser.learning_rate", 1e-4, 1e-1, log=True),
    Choice("model.merge", ("add", "mul")),
)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_packs_and_goes_on_with_new_trials(world, base, url, sampler):
    before = searcher(world, base, url, space=FLAT, trials=20, size=2, sampler=sampler)
    for _ in range(5):
        finish(before, before.next(1))

    after = searcher(world, base, url, space=FLAT, trials=20, size=2, sampler=sampler)
    run_all(after)

    trials = told(after)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 20
    points = {tuple(trial.params.values()) for trial in trials}
    # Children of a genetic algorithm may be twins of their parents.
    assert len(points) > (12 if sampler == "nsga2" else 19)


def test_a_sequence_of_points_goes_on_where_it_was(world, base, url):
    whole = searcher(world, base, space=FLAT, trials=16, size=1, sampler="qmc")
    run_all(whole)
    before = searcher(world, base, url, space=FLAT, trials=16, size=1, sampler="qmc")
    for _ in range(7):
        finish(before, before.next(1))

    after = searcher(world, base, url, space=FLAT, trials=16, size=1, sampler="qmc")
    run_all(after)

    assert [it.params for it in told(after)] == [it.params for it in told(whole)]


def test_hyperbands_brackets_take_turns_and_are_kept_over_a_crash(world, base, url):
    long = base.replace("optimiser.epochs", 9)
    options = {"trials": 12, "size": 2, "pruner": "hyperband"}
    before = searcher(world, long, url, space=FLAT, **options)
    packs = [before.next(1) for _ in range(5)]

    rungs = [pack.pruner.min_epochs for pack in packs]
    again = searcher(world, long, url, space=FLAT, **options)

    assert rungs == [1, 2, 4, 8, 1]
    assert [again.next(1).key for _ in packs] == [pack.key for pack in packs]


WIDTHS = (Choice("model.width", (16, 32, 64)), Range("model.tau", 0.0, 0.05))


def finish_by_size(source, pack):
    """Tell of trials whose accuracy and size grow with their width."""
    for key, trial in pack.members.items():
        config = trial.config
        metrics = {
            "val/all": 50 + config.model.width - 100 * config.model.tau,
            "params_m": config.model.width / 10,
        }
        source.observe(
            [
                TrialEnded(
                    key=key, attempt=0, status="finished", reason=None, metrics=metrics, at=0.0
                )
            ]
        )


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "qmc", "random"])
def test_several_objectives_with_a_constraint(world, base, url, sampler):
    goals = parse_objectives(["val/all", "params_m"])
    small = (parse_constraint("params_m <= 4"),)
    options = {"sampler": sampler, "pruner": "none", "objectives": goals, "constraints": small}
    source = searcher(world, base, url, space=WIDTHS, trials=16, size=2, **options)
    while (pack := source.next(1)) is not None:
        finish_by_size(source, pack)

    for trial in told(source):
        assert trial.state is TrialState.COMPLETE
        assert trial.values[1] == trial.params["model.width"] / 10
        assert trial.constraints == {"params_m <= 4": pytest.approx(trial.values[1] - 4)}
    best = [config for _, config in source.best(16)]
    widths = [config.model.width for config in best]
    assert set(widths) <= {16, 32}
    for config in best:
        rivals = [
            t.params["model.tau"]
            for t in told(source)
            if t.params["model.width"] == config.model.width
        ]
        assert config.model.tau == min(rivals)


def test_what_compares_accuracies_alone_is_refused_with_several_objectives():
    goals = parse_objectives(["val/all", "params_m"])
    with pytest.raises(SweepError, match="--pruner halving compares accuracies alone"):
        Search(objectives=goals)
    with pytest.raises(SweepError, match="and this search is for val/av_avg; say --pruner none"):
        Search(objectives=parse_objectives(["val/av_avg"]))
    with pytest.raises(SweepError, match="--sampler cmaes knows one objective"):
        Search(objectives=goals, pruner="none", sampler="cmaes")


def held_run(config, seed=0, value=70.0, fingerprint="f", **metrics):
    """A finished trial as MLflow holds it."""
    return TrialRun(
        run_id="r",
        experiment_id="1",
        key=trial_key(Trial(config, seed), fingerprint),
        variant="v",
        config_hash=config.hash(),
        seed=seed,
        dataset="tiny",
        fingerprint=fingerprint,
        training_version="4",
        state="finished",
        reason=None,
        metrics={"best_val": value, "val/all": value - 1, **metrics},
        params={name: str(item) for name, item in config.flat().items()},
        checkpoint=None,
        seconds_per_epoch=None,
        parent="",
        started=0,
        artifact_uri="",
    )


def test_trials_that_mlflow_holds_enter_the_study_before_its_first_proposal(world, base, url):
    source = searcher(world, base, url, space=FLAT, trials=4, size=2)
    plan, proposals, search = source.plan, source.proposals, source.search
    inside = base.vary({"model.tau": 0.01, "optimiser.learning_rate": 0.01}).canonical()
    outside = base.vary({"model.tau": 0.2}).canonical()
    other = base.vary({"optimiser.batch_size": 16}).canonical()
    runs = [
        held_run(inside, fingerprint=plan.fingerprint),
        held_run(inside, seed=1, fingerprint=plan.fingerprint),
        held_run(outside, fingerprint=plan.fingerprint),
        held_run(other, fingerprint=plan.fingerprint),
    ]
    held = {run.key: run for run in runs}
    known = known_metrics(held, search, lambda run, _: run.metrics["best_val"])

    assert warm_up(proposals, plan, search, known, held) == (1, 0)
    assert warm_up(proposals, plan, search, known, held) == (0, 0)
    (trial,) = told(source)
    assert trial.state is TrialState.COMPLETE
    assert trial.value == 70.0
    assert trial.params == {
        "model.tau": 0.01,
        "optimiser.learning_rate": 0.01,
        "model.merge": "add",
    }
    again = searcher(world, base, url, space=FLAT, trials=4, size=2)
    packs = run_all(again)
    assert sum(len(pack.members) for pack in packs) == 4
    assert len(told(again)) == 5


def test_the_best_of_another_dataset_are_proposed_first_without_their_values(world, base):
    source = searcher(world, base, space=FLAT, trials=8, size=8, warm_from="other")
    found = {0.01: 60.0, 0.02: 80.0, 0.03: 70.0}
    configs = {tau: base.vary({"model.tau": tau}).canonical() for tau in found}
    runs = [held_run(configs[tau], value=value, fingerprint="o") for tau, value in found.items()]
    held = {run.key: run for run in runs}
    known = known_metrics(held, source.search, lambda run, _: run.metrics["best_val"])

    assert prefer(source.proposals, source.plan, source.search, known, held) == 2

    assert all(trial.state is TrialState.WAITING for trial in told(source))
    proposed = [trial.config.model.tau for trial in source.next(1).members.values()]
    assert proposed[:3] == [base.model.tau, 0.02, 0.03]
    assert 0.01 not in proposed


def test_another_dataset_without_a_trial_in_the_space_is_refused(world, base):
    source = searcher(world, base, space=FLAT, warm_from="other")
    with pytest.raises(SweepError, match="--warm-from other: MLflow holds no finished trial"):
        prefer(source.proposals, source.plan, source.search, {}, {})


GROUNDED = parse_objectives(["val/all", "val/ground/spatial"])


def test_a_trial_in_which_an_objective_was_not_measured_counts_as_failed(world, base, url):
    options = {"pruner": "none", "objectives": GROUNDED}
    space = (Choice("model.spatial_grounding", (True, False)), *FLAT[:2])
    source = searcher(world, base, url, space=space, trials=8, size=2, **options)
    while (pack := source.next(1)) is not None:
        for key, trial in pack.members.items():
            grounded = trial.config.model.spatial_grounding
            metrics = {"val/all": 60.0, **({"val/ground/spatial": 40.0} if grounded else {})}
            event = ended(key, "finished", None)
            source.observe([dataclasses.replace(event, metrics=metrics)])

    states = {it.params["model.spatial_grounding"]: it.state for it in told(source)}
    assert states == {True: TrialState.COMPLETE, False: TrialState.FAIL}
    assert source.exhausted()
    assert all(config.model.spatial_grounding for _, config in source.best(8))


def test_a_trial_of_before_an_objective_was_measured_stays_out_and_trains_no_more(world, base, url):
    options = {"space": FLAT, "trials": 1, "size": 1, "pruner": "none", "objectives": GROUNDED}
    source = searcher(world, base, **options)
    (trial,) = source.next(1).members.values()
    run = held_run(trial.config, fingerprint=world.fingerprint)
    held = {run.key: run}
    known = known_metrics(held, source.search, lambda run, name: run.metrics.get(name))

    again = searcher(world, base, url, known=known, **options)

    assert warm_up(again.proposals, again.plan, again.search, known, held) == (0, 1)
    assert again.next(1) is None
    assert [it.state for it in told(again)] == [TrialState.FAIL]


def test_packs_are_as_large_as_the_slots_leave_trials_for(world, base):
    source = searcher(world, base, trials=32, size=None)

    assert len(source.next(16).members) == 1
    assert len(source.next(4).members) == 2


def test_a_report_costs_the_same_however_many_trials_there_are(world, base, monkeypatch):
    source = searcher(world, base, trials=8, size=8)
    pack = source.next(1)

    def refuse(*_args, **_options):
        raise AssertionError("a report read all trials")

    monkeypatch.setattr(optuna.storages.InMemoryStorage, "get_all_trials", refuse)
    source.observe([epoch_done(key, 1, 50.0) for key in pack.members])


def test_repeated_proposal_costs_nothing_and_is_told(world, base):
    space = (Choice("model.ordering", ("il-va", "il-av", "cat-va", "cat-av")),)
    base = base.replace("model.position", "sinusoidal")
    source = searcher(world, base, space=space, trials=20, size=4)

    packs = run_all(source)

    assert sum(len(pack.members) for pack in packs) == 4
    assert len(told(source)) == 20
    values = {}
    for trial in told(source):
        assert trial.state is TrialState.COMPLETE
        values.setdefault(trial.params["model.ordering"], set()).add(trial.value)
    assert all(len(found) == 1 for found in values.values())


def test_search_learns(world, base):
    space = (Range("model.tau", 0.0, 0.05), Range("optimiser.learning_rate", 1e-4, 1e-1, log=True))
    source = searcher(world, base, space=space, trials=60, size=4)
    run_all(source)

    values = [trial.value for trial in told(source)]
    assert sum(values[-20:]) / 20 > sum(values[:20]) / 20


def test_knobs_without_effect_are_not_asked(world, base):
    source = searcher(world, base, trials=40)
    run_all(source)

    for trial in told(source):
        params = trial.params
        if not params["model.spatial_grounding"]:
            assert "model.tau" not in params
            assert "loss.lambda_s" not in params
        if not params["model.temporal_grounding"]:
            assert "model.ordering" not in params


def test_best_are_different_variants_in_order_and_not_the_base(world, base):
    source = searcher(world, base)
    run_all(source)
    values = {source.config(trial).hash(): trial.value for trial in told(source)}

    best = [config.hash() for _, config in source.best(5)]

    assert len(set(best)) == 5
    assert base.canonical().hash() not in best
    ranked = [values[address] for address in best]
    assert ranked == sorted(ranked, reverse=True)
    others = [value for address, value in values.items() if address not in best]
    assert ranked[-1] >= sorted(others)[-2]


def test_another_space_or_base_config_has_another_study(world, base, url):
    one = searcher(world, base, url).proposals.name
    other = searcher(world, base.replace("model.heads", 2), url).proposals.name

    assert one == searcher(world, base, url).proposals.name
    assert one != other
    assert len(optuna.get_all_study_names(url)) == 2
