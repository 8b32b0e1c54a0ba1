"""An Optuna study that proposes whole packs; the study is the only state of a search.

Every member is told to the study: intermediate values, then its value, or that it was pruned
or failed. Members that a crash left running are handed out again with the same parameters.
"""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from jobs.choices import Search
from jobs.packing import LARGEST
from jobs.packs import Pack
from search_spaces.describe import describe_space
from search_spaces.document import Choice, Range, Scalar, Space
from search_spaces.expand import active
from search_spaces.plan import Plan
from tass_core.config import TrialConfig, digest, known_fields
from tass_core.errors import ConfigError, SweepError
from tass_core.trial import Trial, structure_key, trial_key
from tracking.connect import sqlite_path
from tracking.events import EpochDone, Result
from tracking.schema import VALIDATION as METRIC

logger = logging.getLogger(__name__)

_KEY, _PACK = "trial_key", "pack"


class PackStudy:
    """A source of packs (``jobs.driver.sources.Source``) that asks an Optuna study.

    Args:
        study: a study that maximises validation accuracy.
        space: what to search.
        plan: gets every proposed trial.
        search: budget and halving.
        size: most members of a pack.
        known: returns the validation accuracies by epoch of a finished trial, by its key, or
            None for a trial that has to be trained.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        plan: Plan,
        search: Search,
        size: int | None,
        known: Callable[[str], Mapping[int, float] | None],
    ) -> None:
        self.study, self.space, self.plan, self.search = study, space, plan, search
        self._fields = known_fields(plan.base.system)
        self.size = size or max(1, min(LARGEST, search.trials // 4))
        self._known = known
        self._sampler = sampler(plan.seeds[0], self.size, search.trials)
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._wanted: set[str] = set()
        self._left = self._leftovers()
        self._asked = sum(not _unstarted(trial) for trial in study.get_trials(deepcopy=False))
        self._check_base()

    def wanted(self) -> frozenset[str]:
        """Return the keys of all trials that were handed out."""
        return frozenset(self._wanted)

    def next(self, _slots: int) -> Pack | None:
        """Return an interrupted pack, or a new one, or None when the budget is spent."""
        pack = None if self._left else self._ask_new()
        if pack is None and self._left:
            pack = self._left.pop(0)
        self._wanted.update(pack.members if pack else ())
        return pack

    def exhausted(self) -> bool:
        """Whether the budget is spent."""
        return not self._left and self._asked >= self.search.trials

    def observe(self, events: Sequence[Result]) -> None:
        """Tell the study what happened."""
        for event in events:
            for number in self._numbers.get(event.key, ()):
                if isinstance(event, EpochDone):
                    self._report(number, event.epoch, event.metrics[METRIC])
                else:
                    self._tell(number, event.status, event.metrics.get(METRIC))

    def best(self, count: int) -> list[FrozenTrial]:
        """Return the best finished trials, each variant once, the best first."""
        finished = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        ranked = sorted(finished, key=lambda trial: (-(trial.value or 0.0), trial.number))
        unique = {trial.user_attrs[_KEY]: trial for trial in reversed(ranked)}
        chosen = [trial for trial in ranked if unique[trial.user_attrs[_KEY]] is trial]
        return chosen[:count]

    def config(self, trial: FrozenTrial) -> TrialConfig:
        """Return the config that a trial of the study stands for."""
        return self.plan.base.vary(trial.params)

    def _check_base(self) -> None:
        """Queue the base config first: a search should know what it has to beat."""
        flat = self.plan.base.canonical().flat()
        chosen: dict[str, Scalar] = {}
        for knob in self.space:
            value = flat[knob.field]
            fits = (
                value in knob.values
                if isinstance(knob, Choice)
                else (knob.low <= value <= knob.high)
            )
            if active(knob, chosen):
                if not fits:
                    return
                chosen[knob.field] = value
        self.study.enqueue_trial(chosen, skip_if_exists=True)

    def _ask_new(self) -> Pack | None:
        """Return a new pack, or None when the budget is spent."""
        while self._asked < self.search.trials:
            pack = self._ask_pack()
            if pack is not None:
                return pack
        return None

    def _ask_pack(self) -> Pack | None:
        """Ask for members of one structure until the pack is full or the budget is spent."""
        members: dict[str, Trial] = {}
        fixed: dict[str, Scalar] = {}
        name = len(self.study.get_trials(deepcopy=False))
        while len(members) < self.size and self._asked < self.search.trials:
            asked, values = self._ask(fixed)
            self._asked += 1
            fixed = fixed or {n: v for n, v in values.items() if not self._fields[n].free}
            config = self._member_config(asked, values)
            if config is None:
                continue
            trial = Trial(config, self.plan.seeds[0])
            key = trial_key(trial, self.plan.fingerprint)
            asked.set_user_attr(_KEY, key)
            if self._is_repeat(key, asked.number):
                continue
            self.plan.add(f"trial {asked.number}", config, self.plan.seeds[:1])
            if members and structure_key(config) != structure_key(_first(members).config):
                # The knobs fixed for a pack do not decide every shape: this one trains alone.
                asked.set_user_attr(_PACK, asked.number)
                self._left.append(Pack({key: trial}, self.search.halving))
                continue
            asked.set_user_attr(_PACK, name)
            members[key] = trial
        return Pack(members, self.search.halving) if members else None

    def _ask(self, fixed: Mapping[str, Scalar]) -> tuple[optuna.Trial, dict[str, Scalar]]:
        self.study.sampler = PartialFixedSampler(dict(fixed), self._sampler)
        asked = self.study.ask()
        values: dict[str, Scalar] = {}
        for knob in self.space:
            if not active(knob, values):
                continue
            if isinstance(knob, Choice):
                choice = asked.suggest_categorical(knob.field, knob.values)
                assert choice is not None
                values[knob.field] = choice
            else:
                whole = self._fields[knob.field].kind is int
                values[knob.field] = _suggest_number(asked, knob, whole=whole)
        return asked, values

    def _member_config(
        self, asked: optuna.Trial, values: Mapping[str, Scalar]
    ) -> TrialConfig | None:
        """Return the proposed config, or None when the base config contradicts it."""
        try:
            return self.plan.base.vary(values).canonical()
        except ConfigError as error:
            logger.warning("proposal %s cannot be a config: %s", dict(values), error)
            self._tell(asked.number, "failed", None)
            return None

    def _is_repeat(self, key: str, number: int) -> bool:
        """Whether a proposal needs no training; the study is told all that is known of it."""
        twins = self._numbers[key]
        self._numbers[key] = [*twins, number]
        if twins:
            twin = self._frozen(twins[0])
            for epoch, value in twin.intermediate_values.items():
                self._report(number, epoch, value)
            if twin.state.is_finished():
                self._tell(number, _STATUS[twin.state], twin.value)
            return True
        return self._tell_known(key, number)

    def _tell_known(self, key: str, number: int) -> bool:
        points = self._known(key)
        if points is None:
            return False
        for epoch, value in sorted(points.items()):
            self._report(number, epoch, value)
        self._tell(number, "finished", max(points.values()))
        return True

    def _leftovers(self) -> list[Pack]:
        """Return the packs that were running when an earlier driver died."""
        members: dict[int, dict[str, Trial]] = defaultdict(dict)
        running: set[int] = set()
        for frozen in self.study.get_trials(deepcopy=False):
            key, pack = frozen.user_attrs.get(_KEY), frozen.user_attrs.get(_PACK)
            if key is None:
                if frozen.state is TrialState.RUNNING:
                    self._tell(frozen.number, "failed", None)
                continue
            trial = Trial(self.config(frozen).canonical(), self.plan.seeds[0])
            self.plan.add(f"trial {frozen.number}", trial.config, self.plan.seeds[:1])
            self._numbers[key].append(frozen.number)
            if pack is not None:
                members[pack][key] = trial
                if frozen.state is TrialState.RUNNING and not self._tell_known(key, frozen.number):
                    running.add(pack)
        return [Pack(members[pack], self.search.halving) for pack in sorted(running)]

    def _report(self, number: int, epoch: int, value: float) -> None:
        frozen = self._frozen(number)
        if not frozen.state.is_finished() and epoch not in frozen.intermediate_values:
            # A crash loses the Trial object of a running trial; its id is all that it holds.
            optuna.Trial(self.study, frozen._trial_id).report(value, epoch)

    def _tell(self, number: int, status: str, value: float | None) -> None:
        if self._frozen(number).state.is_finished():
            return
        if status == "finished" and value is not None:
            self.study.tell(number, value)
        else:
            state = TrialState.PRUNED if status == "pruned" else TrialState.FAIL
            self.study.tell(number, state=state)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]


def sampler(seed: int, size: int, budget: int) -> BaseSampler:
    """Return a TPE sampler that reckons with members still running.

    Its random start is as long as ten packs have members, so that every structure is tried,
    but never more than half of the budget.
    """
    start = max(1, min(10 * size, budget // 2))
    return TPESampler(
        multivariate=True,
        group=True,
        constant_liar=True,
        n_startup_trials=start,
        seed=seed,
    )


def open_study(plan: Plan, space: Space, search: Search, tracking_uri: str) -> optuna.Study:
    """Open or create the study of a search; the same search has the same study.

    Raises:
        SweepError: the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    url = search.storage or default_storage(tracking_uri)
    halving = search.halving and [search.halving.eta, search.halving.min_epochs]
    described = [
        plan.base.canonical().to_dict(),
        plan.fingerprint,
        plan.seeds[0],
        list(describe_space(space).items()),
        halving,
    ]
    name = f"{plan.sweep}-{plan.dataset['name']}-{digest(described)[:8]}"
    plan.address = digest([name, search.confirm, plan.seeds])[:16]
    try:
        return optuna.create_study(
            study_name=name, storage=url, direction="maximize", load_if_exists=True
        )
    except Exception as error:
        raise SweepError(f"--study-storage {url}: {error}") from None


def default_storage(tracking_uri: str) -> str:
    """Return the SQLite file beside the tracking database, or in the working directory."""
    database = sqlite_path(tracking_uri)
    folder = database.parent if database else Path.cwd()
    return f"sqlite:///{folder / 'optuna.db'}"


_STATUS = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def _suggest_number(asked: optuna.Trial, knob: Range, *, whole: bool) -> int | float:
    if whole:
        return asked.suggest_int(knob.field, int(knob.low), int(knob.high), log=knob.log)
    return asked.suggest_float(knob.field, knob.low, knob.high, log=knob.log)


def _unstarted(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.WAITING


def _first(members: Mapping[str, Trial]) -> Trial:
    return next(iter(members.values()))
