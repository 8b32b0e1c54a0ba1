"""A sweep that adds seeds until its rows are decided: look, give the next seeds, look again.

It remembers nothing between looks. What it sees is recomputed from the plan and from the answers of
finished trials, so a sweep that was killed goes on as if it had not been.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evidence.decisions import Decision, judge_plan
from jobs.driver.run import Begin, Held
from jobs.driver.session import Session
from jobs.driver.sources import Queue, Source
from jobs.packing import choose_packs, epochs_of
from jobs.packs import Pack
from tass_core.errors import DataError
from tass_core.evaluation.predictions import Predictions, read_predictions
from tass_core.trial import Trial
from tracking.events import Result, TrialEnded

Show = Callable[[Decision], None]


def deciding(show: Show, max_hours: float | None = None) -> Begin:
    """Return how a sweep begins that trains until it is decided.

    Args:
        show: is given where the rows stand, at every look.
        max_hours: no seed is given after so many hours.
    """

    def begin(session: Session, held: Held) -> Source:
        return UntilDecided(session, held, show, max_hours)

    return begin


class UntilDecided:
    """A source that gives each row its first seeds, and then the next ones where they pay.

    Args:
        session: the sweep; its plan grows.
        held: the finished trials that MLflow holds.
        show: is given where the rows stand, at every look.
        max_hours: no seed is given after so many hours.
    """

    def __init__(
        self, session: Session, held: Held, show: Show, max_hours: float | None = None
    ) -> None:
        self._session, self._plan, self._held, self._show = session, session.plan, held, show
        self._deadline = None if max_hours is None else time.monotonic() + 3600 * max_hours
        self._answers: dict[str, Predictions] = {}
        self._failed: set[str] = set()
        self._slots = 1
        self._adopt_held()
        self._round = self._queue({k: t for k, t in self._plan.trials.items() if k not in held})
        session.progress.held = len(self._plan.trials.keys() & held.keys())

    def wanted(self) -> frozenset[str]:
        """Return the keys of all trials that were given so far."""
        return frozenset(self._plan.trials.keys() - self._held.keys())

    def next(self, slots: int) -> Pack | None:
        """Return the present round's next pack."""
        self._slots = slots
        return self._round.next(slots)

    def exhausted(self) -> bool:
        """Whether nothing is open; looks, and gives the next seeds, when a round is over."""
        if not self._round.exhausted():
            return False
        decision = judge_plan(self._plan.to_dict(), self._find)
        self._record(decision)
        self._show(decision)
        late = self._deadline is not None and time.monotonic() > self._deadline
        given = {} if late else self._give(decision)
        self._round = self._queue(given)
        return not given

    def observe(self, events: Sequence[Result]) -> None:
        """Take the answers of trials that finished."""
        for event in events:
            if not isinstance(event, TrialEnded):
                continue
            if event.status == "finished" and event.predictions is not None:
                self._answers[event.key] = self._fetch(event.predictions)
            else:
                self._failed.add(event.key)

    def _adopt_held(self) -> None:
        """Take into the plan what is held of its further seeds, up to the first that is not."""
        until, plan = self._plan.until, self._plan
        assert until is not None
        for variant in list(plan.variants):
            for seed in plan.seeds[until.first : until.last]:
                if plan.key_of(variant, seed) not in self._held:
                    break
                plan.grow(variant, seed)

    def _give(self, decision: Decision) -> dict[str, Trial]:
        """Return the trials of the next seeds: as many rows as run at once, the best first.

        A row goes on only where its reference does: both need the seed.
        """
        worth = decision.scores()
        plan, given = self._plan, dict[str, Trial]()
        for row in sorted(worth, key=lambda it: (-worth[it], it))[: self._slots]:
            seed = plan.seeds[decision.standings[row].seeds]
            keys = [plan.key_of(it, seed) for it in (row, decision.references[row])]
            if self._failed.intersection(keys):
                continue
            for variant, key in zip((row, decision.references[row]), keys, strict=True):
                if key not in self._answers and key not in self._held:
                    plan.grow(variant, seed)
                    given[key] = plan.trials[key]
                    self._session.progress.names[key] = plan.name(key)
        return given

    def _find(self, variant: str, seed: int) -> Predictions | None:
        """Return a variant's answers with a seed: of this run, or as MLflow holds them."""
        key = self._plan.key_of(variant, seed)
        if key not in self._answers and key in self._held:
            found = self._session.reader.predictions(self._held[key])
            if found is None:
                raise DataError(f"trial {key}: MLflow holds it without its predictions")
            self._answers[key] = found
        return self._answers.get(key)

    def _fetch(self, name: str) -> Predictions:
        with tempfile.TemporaryDirectory(prefix="tass-answers-") as folder:
            path = Path(folder) / "answers.parquet"
            self._session.setting.storage.fetch(name, path)
            return read_predictions(path)

    def _queue(self, trials: dict[str, Trial]) -> Queue:
        plan, setting = self._plan, self._session.setting
        size = setting.resources.pack_size
        return Queue(
            trials,
            lambda slots: choose_packs(
                trials, plan.trials, setting.storage, size, slots, epochs_of
            ),
        )

    def _record(self, decision: Decision) -> None:
        """Leave a look in the plan."""
        rows = {
            decision.names[it]: {
                "state": standing.state,
                "finding": standing.finding,
                "seeds": standing.seeds,
                "mean": standing.mean,
                "low": standing.interval.low,
                "high": standing.interval.high,
            }
            for it, standing in decision.standings.items()
        }
        self._plan.looks.append({"trials": decision.trials, "rows": rows})
        self._session.grow()
