"""A search from its study to its end: propose, prune, confirm the best with fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.choices import Search
from jobs.driver.proposals import Proposals
from jobs.driver.run import Begin, Held
from jobs.driver.session import PATIENCE, Session
from jobs.driver.sources import Queue, Source, Then
from jobs.driver.study import PackStudy
from jobs.driver.study_writer import StudyWriter
from jobs.packing import choose_packs
from search_spaces.describe import describe_space
from search_spaces.document import Space
from search_spaces.plan import FULL_MODEL, Plan, PlannedRow, PlannedTable
from tass_core.config import TrialConfig, digest
from tass_core.errors import SweepError
from tass_core.trial import Trial
from tracking.connect import shown, sqlite_path, store_name
from tracking.schema import BEST, SEARCH_TABLE


def searching(plan: Plan, search: Search, tracking_uri: str) -> Begin:
    """Return how a search begins: with its study, and then with the best variants' seeds.

    The plan gains the proposed trials and, at the end, one table of the confirmed variants.
    """
    space = plan.document.space
    name = study_name(plan, space, search)
    plan.address = digest([name, search.confirm, plan.seeds])[:16]

    def begin(session: Session, held: Held) -> Source:
        def confirmation() -> Source:
            session.progress.expected = 0
            missing = _plan_confirmation(session, source, search, held)
            setting = session.setting
            return Queue(
                missing,
                lambda slots: choose_packs(
                    missing, missing, setting.storage, setting.resources.pack_size, slots
                ),
            )

        source = PackStudy(
            _recall(session, name, search.storage or default_storage(tracking_uri)),
            space,
            plan,
            search,
            session.setting.resources.pack_size,
            {key: run.metrics[BEST] for key, run in held.items() if BEST in run.metrics},
            session.grow,
        )
        session.progress.held = len(plan.trials.keys() & held.keys())
        session.progress.expected = search.trials
        return Then(source, confirmation)

    return begin


def study_name(plan: Plan, space: Space, search: Search) -> str:
    """Return the name of a search's study; the same search has the same one."""
    described = [
        plan.base.canonical().to_dict(),
        plan.fingerprint,
        plan.seeds[0],
        list(describe_space(space).items()),
        [search.sampler, search.pruner, search.eta, search.min_epochs],
    ]
    return f"{plan.sweep}-{plan.dataset['name']}-{digest(described)[:8]}"


def default_storage(tracking_uri: str) -> str:
    """Return the SQLite file beside the tracking database, or in the working directory."""
    database = sqlite_path(tracking_uri)
    folder = database.parent if database else Path.cwd()
    return f"sqlite:///{folder / 'optuna.db'}"


def _recall(session: Session, name: str, url: str) -> Proposals:
    """Return the study as its database holds it, after what earlier drivers left for it.

    Raises:
        SweepError: the database cannot be used.
    """
    writer = StudyWriter(url, name, ["maximize"])
    delivery = session.carry(writer, f"{store_name(url)}#{name}")
    if not delivery.drain(PATIENCE) and delivery.away:
        raise SweepError(
            f"--study-storage {shown(url)}: an earlier search's results wait for it "
            f"({delivery.away}); run the same command when it answers"
        )
    return Proposals(
        name, ["maximize"], writer.past(), lambda news: delivery.post(session.origin, news)
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
    rows += [_row(plan, plan.variants[it.hash()].name, it, fresh) for it in found]
    title = f"Best of sweep {plan.sweep}, confirmed with {len(fresh)} seeds it did not search on"
    key = f"{SEARCH_TABLE}{plan.sweep}"
    plan.tables = [PlannedTable(key, key, title, tuple(rows))]
    progress.names |= {key: plan.name(key) for key in plan.trials}
    wanted = {key for row in rows for key in row.trials.values()}
    ended = held.keys() | progress.finished | progress.failed.keys()
    return {key: plan.trials[key] for key in sorted(wanted - ended)}


def _row(plan: Plan, name: str, config: TrialConfig, seeds: Sequence[int]) -> PlannedRow:
    return PlannedRow(name, config.hash(), None, plan.add(name, config, seeds))
