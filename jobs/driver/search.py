"""A search from study to verdict: propose, prune, confirm the best with all the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.choices import Search
from jobs.driver.run import Begin, Held
from jobs.driver.session import Session
from jobs.driver.sources import Queue, Source, Then
from jobs.driver.study import PackStudy, open_study
from jobs.packing import choose_packs
from search_spaces.plan import FULL_MODEL, Plan, PlannedRow, PlannedTable
from tass_core.errors import TrackingError
from tass_core.trial import Trial
from tracking.reader import Reader
from tracking.schema import BEST, BEST_EPOCH, SEARCH_TABLE, VALIDATION


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

    Raises:
        SweepError: the study's storage cannot be used.
    """
    study = open_study(plan, plan.document.space, search, tracking_uri)

    def begin(session: Session, held: Held) -> Source:
        def known(key: str) -> Mapping[int, float] | None:
            return _history(session.reader, held, key)

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

        size = session.setting.resources.pack_size
        source = PackStudy(study, plan.document.space, plan, search, size, known)
        session.progress.held = len(plan.trials.keys() & held.keys())
        session.progress.expected = search.trials
        return Then(source, confirmation)

    return begin


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


def _history(reader: Reader, held: Held, key: str) -> Mapping[int, float] | None:
    """Return a held trial's accuracies by epoch; a store that is away leaves the best alone."""
    if key not in held:
        return None
    trial = held[key]
    try:
        return dict(reader.history(trial.run_id, VALIDATION))
    except TrackingError:
        return {int(trial.metrics[BEST_EPOCH]): trial.metrics[BEST]}


def _plan_confirmation(
    session: Session, source: PackStudy, search: Search, held: Held
) -> dict[str, Trial]:
    """Plan the best variants and the base config with all the seeds; return what is missing."""
    plan, progress = session.plan, session.progress
    rows = [_row(plan, FULL_MODEL, plan.base.canonical().hash())]
    for trial in source.best(search.confirm):
        address = source.config(trial).hash()
        if address != rows[0].variant:
            rows.append(_row(plan, plan.variants[address].name, address))
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
