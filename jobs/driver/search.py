"""A search from its study to its end: propose, prune, confirm the best with fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jobs.choices import Search
from jobs.driver.proposals import Proposals
from jobs.driver.run import Begin, Held
from jobs.driver.session import PATIENCE, Session
from jobs.driver.sources import Queue, Source, Then
from jobs.driver.study import PackStudy, distribution
from jobs.driver.study_writer import StudyWriter
from jobs.packing import choose_packs, read_packs
from jobs.planning.estimate import costs
from search_spaces.describe import describe_space
from search_spaces.document import Scalar, Space
from search_spaces.expand import locate
from search_spaces.plan import FULL_MODEL, Plan, PlannedRow, PlannedTable
from tass_core.config import TrialConfig, digest, known_fields
from tass_core.errors import ConfigError, SweepError
from tass_core.trial import Trial, trial_key
from tracking.reader import Reader, TrialRun
from tracking.rows import Wanted
from tracking.schema import BEST, BEST_EPOCH, PARAMETERS, SEARCH_TABLE, SPEED
from tracking.uris import shown, sqlite_path, store_name


def searching(plan: Plan, search: Search, tracking_uri: str, note: Callable[[str], None]) -> Begin:
    """Return how a search begins: with its study, and then with the best variants' seeds.

    The plan gains the proposed trials and, at the end, one table of the confirmed variants.

    Args:
        plan: of the search, without trials.
        search: how to search.
        tracking_uri: the study's database lies beside it, unless the search names one.
        note: told what the search starts from.
    """
    space = plan.document.space
    name = study_name(plan, space, search)
    plan.address = digest([name, search.confirm, plan.seeds])[:16]

    def begin(session: Session, held: Held) -> Source:
        def confirmation() -> Source:
            session.progress.expected = 0
            missing = _plan_confirmation(session, source, search, held)
            setting, cost = session.setting, costs(held)
            size = setting.resources.pack_size
            return Queue(
                missing,
                lambda slots: choose_packs(missing, missing, setting.storage, size, slots, cost),
            )

        proposals = _recall(session, name, search, search.storage or default_storage(tracking_uri))
        past = _past(session.reader, session.origin.dataset)
        known = known_metrics(past, search, session.reader.at_best)
        entered, lacking = warm_up(proposals, plan, search, known, past)
        if entered:
            note(f"{entered} trials that MLflow holds enter the study before its first proposal.")
        if lacking:
            note(
                f"{lacking} trials of this space that MLflow holds stay out of the study, and "
                "count as failed when proposed: not all that it is about was measured in them."
            )
        if search.warm_from is not None:
            others = _past(session.reader, search.warm_from)
            metrics = known_metrics(others, search, session.reader.at_best)
            note(
                f"The best {prefer(proposals, plan, search, metrics, others)} configs of dataset "
                f"'{search.warm_from}' are proposed first; their accuracies there do not enter the "
                "study."
            )
        source = PackStudy(
            proposals,
            space,
            plan,
            search,
            session.setting.resources.pack_size,
            known,
            lambda: read_packs(session.setting.storage),
            session.grow,
        )
        session.progress.held = len(plan.trials.keys() & held.keys())
        session.progress.expected = search.trials
        return Then(source, confirmation)

    return begin


def warm_up(
    proposals: Proposals,
    plan: Plan,
    search: Search,
    known: Mapping[str, Mapping[str, float]],
    held: Held,
) -> tuple[int, int]:
    """Let trials that MLflow holds and the space contains enter a study.

    Returns:
        How many are new to it, and how many lack a metric and stay out.

    Args:
        proposals: the study.
        plan: of the search.
        search: its objectives and constraints.
        known: metrics by key, as ``known_metrics`` returned them.
        held: what MLflow holds, by key.
    """
    entered, lacking, space, kinds = 0, 0, plan.document.space, known_fields(plan.base.system)
    whole = {knob.field: kinds[knob.field].kind is int for knob in space}
    for key, metrics in known.items():
        run = held[key]
        if run.seed != plan.seeds[0] or proposals.of(key):
            continue
        point = locate(space, run.config())
        if point is None or not _stands_for(plan, point, key):
            continue
        if search.lacking(metrics):
            lacking += 1
            continue
        drawn = {
            knob.field: distribution(knob, whole=whole[knob.field])
            for knob in space
            if knob.field in point
        }
        proposals.add(key, point, drawn, search.values(metrics), search.violations(metrics))
        entered += 1
    proposals.post()
    return entered, lacking


def _stands_for(plan: Plan, point: Mapping[str, Scalar], key: str) -> bool:
    """Whether a point of the space, in the plan's base config, is the trial of that key."""
    try:
        config = plan.base.vary(point).canonical()
    except ConfigError:
        return False
    return trial_key(Trial(config, plan.seeds[0]), plan.fingerprint) == key


def prefer(
    proposals: Proposals,
    plan: Plan,
    search: Search,
    known: Mapping[str, Mapping[str, float]],
    held: Held,
) -> int:
    """Propose the best configs of another dataset first: a quarter of the budget.

    Values of different datasets do not compare, so none enters the study.

    Returns:
        How many are proposed.

    Args:
        proposals: the study.
        plan: of the search.
        search: its objectives and constraints, and the other dataset's name.
        known: metrics by key, as ``known_metrics`` returned them.
        held: what MLflow holds of the other dataset, by key.

    Raises:
        SweepError: the other dataset has no finished trial in the space.
    """
    points: dict[str, tuple[float, dict[str, Scalar]]] = {}
    for key, metrics in known.items():
        if search.lacking(metrics):
            continue
        point = locate(plan.document.space, held[key].config())
        kept = all(value <= 0 for value in search.violations(metrics).values())
        if point is not None and kept:
            points[key] = search.objectives[0].sign * search.values(metrics)[0], point
    if not points:
        raise SweepError(
            f"--warm-from {search.warm_from}: MLflow holds no finished trial of that dataset in "
            f"the space of sweep '{plan.sweep}'; name a dataset as `tass-cli status` does"
        )
    chosen: list[dict[str, Scalar]] = []
    for _, point in sorted(points.values(), key=lambda it: it[0], reverse=True):
        if point not in chosen and len(chosen) < max(1, search.trials // 4):
            chosen.append(point)
            proposals.suggest_first(point)
    return len(chosen)


def study_name(plan: Plan, space: Space, search: Search) -> str:
    """Return the name of a search's study; the same search has the same one."""
    described = [
        plan.base.canonical().to_dict(),
        plan.fingerprint,
        plan.seeds[0],
        list(describe_space(space).items()),
        [search.sampler, search.pruner, search.eta, search.min_epochs],
        [it.metric for it in search.objectives],
        [str(it) for it in search.constraints],
    ]
    return f"{plan.sweep}-{plan.dataset['name']}-{digest(described)[:8]}"


def known_metrics(
    held: Held, search: Search, at_best: Callable[[TrialRun, str], float | None]
) -> dict[str, dict[str, float]]:
    """Return, by trial key, what a search's objectives and constraints are about, where measured.

    Args:
        held: finished trials.
        search: what to find out.
        at_best: a trial's metric at its best epoch, as ``Reader.at_best``.
    """
    asked = search.lacking({})
    found = {key: {name: at_best(run, name) for name in asked} for key, run in held.items()}
    return {
        key: {name: value for name, value in metrics.items() if value is not None}
        for key, metrics in found.items()
    }


def _past(reader: Reader, dataset: str) -> Held:
    """Return the finished trials on a dataset, with all that a study may be told of them."""
    wanted = Wanted(params=True, metrics=(BEST, BEST_EPOCH, PARAMETERS, SPEED))
    held = reader.held(dataset, wanted)
    return {key: run for key, run in held.items() if run.state == "finished"}


def default_storage(tracking_uri: str) -> str:
    """Return the SQLite file beside the tracking database, or in the working directory."""
    database = sqlite_path(tracking_uri)
    folder = database.parent if database else Path.cwd()
    return f"sqlite:///{folder / 'optuna.db'}"


def _recall(session: Session, name: str, search: Search, url: str) -> Proposals:
    """Return the study as its database holds it, after what earlier drivers left for it.

    Raises:
        SweepError: the database cannot be used.
    """
    writer = StudyWriter(url, name, search.directions)
    delivery = session.carry(writer, f"{store_name(url)}#{name}")
    if not delivery.drain(PATIENCE) and delivery.away:
        raise SweepError(
            f"--study-storage {shown(url)}: an earlier search's results wait for it "
            f"({delivery.away}); run the same command when it answers"
        )
    return Proposals(
        name, search.directions, writer.past(), lambda news: delivery.post(session.origin, news)
    )


def _plan_confirmation(
    session: Session, source: PackStudy, search: Search, held: Held
) -> dict[str, Trial]:
    """Plan the best variants and the base config with fresh seeds; return what is missing.

    The seed that the search used would flatter the variants that it chose.
    """
    plan, progress = session.plan, session.progress
    fresh = plan.seeds[1:]
    found = source.best(search.confirm)
    if not fresh or not found:
        return {}
    rows = [_row(plan, FULL_MODEL, plan.base.canonical(), fresh)]
    rows += [_row(plan, name, config, fresh) for name, config in found]
    title = f"Best of sweep {plan.sweep}, confirmed with {len(fresh)} seeds it did not search on"
    key = f"{SEARCH_TABLE}{plan.sweep}"
    plan.tables = [PlannedTable(key, key, title, tuple(rows))]
    progress.names |= {key: plan.name(key) for key in plan.trials}
    wanted = {key for row in rows for key in row.trials.values()}
    ended = held.keys() | progress.finished | progress.failed.keys()
    return {key: plan.trials[key] for key in sorted(wanted - ended)}


def _row(plan: Plan, name: str, config: TrialConfig, seeds: Sequence[int]) -> PlannedRow:
    trials = plan.add(name, config, seeds)
    return PlannedRow(plan.variants[config.hash()].name, config.hash(), None, trials)
