"""A search from study to verdict: propose, prune, confirm the best with all the seeds."""

from __future__ import annotations

from dataclasses import dataclass
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
from tass_core.config import digest
from tass_core.errors import SweepError
from tass_core.trial import Trial
from tracking.connect import shown, sqlite_path, store_name
from tracking.reader import Reader
from tracking.schema import BEST, SEARCH_TABLE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a search found, in mean validation accuracy over all the seeds, in percent."""

    best: str | None
    """Name of the best confirmed variant; None when nothing was confirmed."""
    best_value: float
    base_value: float

    def __str__(self) -> str:
        if self.best is None:
            return "The search has no confirmed variant yet; run the same command to go on."
        if self.best_value > self.base_value:
            return (
                f"The best variant, {self.best}, reaches {self.best_value:.2f} % validation "
                f"accuracy over all seeds; the default config {self.base_value:.2f} %."
            )
        return (
            f"No variant beat the default config's {self.base_value:.2f} % validation accuracy "
            "over all seeds."
        )


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


def judge(plan: Plan, tracking_uri: str) -> Verdict:
    """Compare the confirmed variants with the base config, by mean over all the seeds.

    Raises:
        TrackingError: the tracking store does not answer.
    """
    held = Reader(tracking_uri).held(str(plan.dataset["name"]))
    means: dict[str, float] = {}
    for row in plan.tables[0].rows if plan.tables else ():
        values = [
            held[key].metrics[BEST]
            for key in row.trials.values()
            if key in held and BEST in held[key].metrics
        ]
        if row.trials and len(values) == len(row.trials):
            means[row.name] = sum(values) / len(values)
    others = {name: value for name, value in means.items() if name != FULL_MODEL}
    if FULL_MODEL not in means or not others:
        return Verdict(None, 0.0, 0.0)
    best = max(sorted(others), key=lambda name: others[name])
    return Verdict(best, others[best], means[FULL_MODEL])


def _plan_confirmation(
    session: Session, source: PackStudy, search: Search, held: Held
) -> dict[str, Trial]:
    """Plan the best variants and the base config with all the seeds; return what is missing."""
    plan, progress = session.plan, session.progress
    rows = [_row(plan, FULL_MODEL, plan.base.canonical().hash())]
    for config in source.best(search.confirm):
        rows.append(_row(plan, plan.variants[config.hash()].name, config.hash()))
    title = f"Best of sweep {plan.sweep}, confirmed with {len(plan.seeds)} seeds"
    key = f"{SEARCH_TABLE}{plan.sweep}"
    plan.tables = [PlannedTable(key, key, title, tuple(rows))]
    progress.names |= {key: plan.name(key) for key in plan.trials}
    wanted = {key for row in rows for key in row.trials.values()}
    ended = held.keys() | progress.finished | progress.failed.keys()
    return {key: plan.trials[key] for key in sorted(wanted - ended)}


def _row(plan: Plan, name: str, address: str) -> PlannedRow:
    config = plan.variants[address].config if address in plan.variants else plan.base
    return PlannedRow(name, address, None, plan.add(name, config, plan.seeds))
