"""A search from study to verdict: propose, prune, confirm the best with all the seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.choices import Search
from jobs.cluster.resources import Slots
from jobs.cluster.session import quiet_log, ray_session
from jobs.driver.progress import Watcher
from jobs.driver.run import Outcome, Session, Setting, register, session
from jobs.driver.sources import Queue
from jobs.driver.study import PackStudy, open_study
from jobs.packing import choose_packs
from search_spaces.document import Space
from search_spaces.plan import FULL_MODEL, Plan, PlannedRow, PlannedTable
from tass_core.trial import Trial
from tracking.reader import TrialRun
from tracking.schema import BEST, SEARCH_TABLE, VALIDATION


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a search found, in mean validation accuracy over all the seeds, in percent."""

    study: str
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


def run_search(
    plan: Plan, space: Space, search: Search, setting: Setting, watcher: Watcher
) -> tuple[Outcome, Verdict]:
    """Search until the budget is spent, then confirm the best variants; close the sweep.

    The plan gains the proposed trials and, at the end, one table of the confirmed variants.
    """
    study = open_study(plan, space, search, setting.tracking_uri)
    with session(plan, setting, watcher) as opened:
        held = opened.held()

        def known(key: str) -> Mapping[int, float] | None:
            trial = held.get(key)
            return dict(opened.reader.history(trial.run_id, VALIDATION)) if trial else None

        size = setting.resources.pack_size
        source = PackStudy(study, space, plan, search, size, known)
        register(opened, held)
        opened.open()
        opened.progress.expected = search.trials
        with contextlib.ExitStack() as stack:
            stack.enter_context(quiet_log(opened.log))
            slots: Slots | None = None
            if not source.exhausted():
                slots = stack.enter_context(ray_session(setting.resources))
                opened.run(source, slots)
            opened.progress.expected = 0
            missing = {} if opened.interrupted else _plan_confirmation(opened, source, search, held)
            if missing:
                slots = slots or stack.enter_context(ray_session(setting.resources))
                packs = choose_packs(missing, missing, setting.storage, setting.resources, slots)
                opened.run(Queue(packs), slots)
        outcome = opened.close()
        return outcome, judge(plan, opened.reader.held(opened.origin.dataset), study.study_name)


def judge(plan: Plan, held: Mapping[str, TrialRun], study: str) -> Verdict:
    """Compare the confirmed variants with the base config, by mean over all the seeds."""
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
        return Verdict(study, None, 0.0, 0.0)
    best = max(sorted(others), key=lambda name: others[name])
    return Verdict(study, best, others[best], means[FULL_MODEL])


def _plan_confirmation(
    opened: Session, source: PackStudy, search: Search, held: Mapping[str, TrialRun]
) -> dict[str, Trial]:
    """Plan the best variants and the base config with all the seeds; return what is missing."""
    plan, progress = opened.plan, opened.progress
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
    return {key: plan.trials[key] for key in sorted(wanted - set(held) - progress.finished)}


def _row(plan: Plan, name: str, address: str) -> PlannedRow:
    config = plan.variants[address].config if address in plan.variants else plan.base
    return PlannedRow(name, address, None, plan.add(name, config, plan.seeds))
