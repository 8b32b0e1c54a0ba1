"""A study that proposes whole packs, and hears of every member.

Each member's intermediate values are told to the study, then its values, or that it was pruned
or failed. Members that a crash left running are handed out again with the same parameters.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import PartialFixedSampler
from optuna.trial import FrozenTrial, TrialState

from jobs.choices import Search
from jobs.driver.proposals import KEY, PACK, WARM, Proposals
from jobs.driver.samplers import make_sampler
from jobs.packing import choose_size, interrupted
from jobs.packs import Pack
from jobs.storage.saved import SavedPack
from search_spaces.document import Choice, Knob, Range, Scalar, Space
from search_spaces.expand import active, locate
from search_spaces.objectives import front
from search_spaces.plan import Plan
from tass_core.config import TrialConfig, known_fields
from tass_core.errors import ConfigError
from tass_core.trial import Trial, structure_key, trial_key
from tracking.events import EpochDone, Result
from tracking.schema import VALIDATION as METRIC

logger = logging.getLogger(__name__)


class PackStudy:
    """A source of packs (``jobs.driver.sources.Source``) that asks a study.

    Args:
        proposals: the study.
        space: what to search.
        plan: gets every proposed trial.
        search: budget and halving.
        size: most members of a pack; None follows the packs that run at once.
        known: what MLflow holds of finished trials' objectives and constraints, by key.
        saved: returns the packs on the storage; asked when an earlier driver left trials running.
        grown: called when the plan has got more trials.
    """

    def __init__(
        self,
        proposals: Proposals,
        space: Space,
        plan: Plan,
        search: Search,
        size: int | None,
        known: Mapping[str, Mapping[str, float]],
        saved: Callable[[], Iterable[SavedPack]],
        grown: Callable[[], None],
    ) -> None:
        self.proposals, self.space, self.plan, self.search = proposals, space, plan, search
        self._fields = known_fields(plan.base.system)
        self._size, self._known, self._grown = size, known, grown
        self._wanted: set[str] = set()
        # A number that the database lacks has no params: what it stood for was never told.
        self._asked = sum(
            trial.state is not TrialState.WAITING
            and bool(trial.params)
            and WARM not in trial.user_attrs
            for trial in proposals.trials()
        )
        self._packs: list[int] = []
        self._left = self._leftovers(saved)
        proposals.post()
        base = locate(space, plan.base.canonical().flat())
        if base is not None:  # a search should know what it has to beat
            proposals.suggest_first(base)

    def wanted(self) -> frozenset[str]:
        """Return the keys of all trials that were handed out."""
        return frozenset(self._wanted)

    def next(self, slots: int) -> Pack | None:
        """Return an interrupted pack, or a new one, or None when the budget is spent."""
        pack = None if self._left else self._ask_new(slots)
        if pack is None and self._left:
            pack = self._left.pop(0)
        self.proposals.post()
        if pack is not None:
            self._wanted.update(pack.members)
            self._grown()
        return pack

    def exhausted(self) -> bool:
        """Whether the budget is spent."""
        return not self._left and self._asked >= self.search.trials

    def observe(self, events: Sequence[Result]) -> None:
        """Tell the study what happened."""
        for event in events:
            for number in self.proposals.of(event.key):
                if isinstance(event, EpochDone):
                    self.proposals.report(number, event.epoch, event.metrics[METRIC])
                else:
                    self._tell(number, event.status, event.metrics)
        self.proposals.post()

    def best(self, count: int) -> list[tuple[str, TrialConfig]]:
        """Return names and configs of the best finished trials but the base, the best first.

        Those that break a constraint are left out. With several objectives the best are those
        that no other is better than in all, by the first objective.
        """
        kept = [
            trial
            for trial in self.proposals.trials()
            if trial.state is TrialState.COMPLETE
            and all(value <= 0 for value in trial.constraints.values())
        ]
        if len(self.search.objectives) > 1:
            kept = [
                kept[place] for place in front([it.values for it in kept], self.search.objectives)
            ]
        sign = self.search.objectives[0].sign
        ranked = sorted(kept, key=lambda trial: (-sign * trial.values[0], trial.number))
        found: dict[str, tuple[str, TrialConfig]] = {}
        for trial in ranked:
            config = self.config(trial)
            found.setdefault(config.hash(), (_name(trial.number), config))
        found.pop(self.plan.base.canonical().hash(), None)
        return list(found.values())[:count]

    def config(self, trial: FrozenTrial) -> TrialConfig:
        """Return the config that a trial of the study stands for."""
        return self.plan.base.vary(trial.params).canonical()

    def _ask_new(self, slots: int) -> Pack | None:
        """Return a new pack, or None when the budget is spent."""
        size = self._size or choose_size(self.search.trials, slots)
        while self._asked < self.search.trials:
            pack = self._ask_pack(size)
            if pack is not None:
                return pack
        return None

    def _ask_pack(self, size: int) -> Pack | None:
        """Ask for members of one structure until the pack is full or the budget is spent."""
        members: dict[str, Trial] = {}
        fixed: dict[str, Scalar] = {}
        name: int | None = None
        while len(members) < size and self._asked < self.search.trials:
            asked, values = self._ask(fixed, size)
            self._asked += 1
            fixed = fixed or {n: v for n, v in values.items() if not self._fields[n].free}
            config = self._member_config(asked, values)
            if config is None:
                continue
            trial = Trial(config, self.plan.seeds[0])
            key = trial_key(trial, self.plan.fingerprint)
            if self._is_repeat(key, asked.number):
                continue
            self.plan.add(_name(asked.number), config, self.plan.seeds[:1])
            if members and structure_key(config) != structure_key(_first(members).config):
                # The knobs fixed for a pack do not decide every shape: this one trains alone.
                self.proposals.name_trial(asked.number, key, asked.number)
                self._left.append(self._pack(asked.number, {key: trial}))
                continue
            name = asked.number if name is None else name
            self.proposals.name_trial(asked.number, key, name)
            members[key] = trial
        return None if name is None else self._pack(name, members)

    def _pack(self, name: int, members: Mapping[str, Trial]) -> Pack:
        """Return a pack; its name, the number of its first member, says which rule prunes it."""
        if name not in self._packs:
            self._packs.append(name)
        epochs = self.plan.base.optimiser.epochs
        return Pack(members, self.search.pruner_of(sorted(self._packs).index(name), epochs))

    def _ask(
        self, fixed: Mapping[str, Scalar], size: int
    ) -> tuple[optuna.Trial, dict[str, Scalar]]:
        search, number = self.search, len(self.proposals)
        sampler = make_sampler(search.sampler, self.plan.seeds[0], number, size, search.trials)
        asked = self.proposals.ask(PartialFixedSampler(dict(fixed), sampler))
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
            self.proposals.name_trial(asked.number, "", None)
            self.proposals.tell(asked.number, "failed")
            return None

    def _is_repeat(self, key: str, number: int) -> bool:
        """Whether a proposal needs no training; the study is told all that is known of it."""
        twins = self.proposals.of(key)
        if not twins and key not in self._known:
            return False
        self.proposals.name_trial(number, key, None)
        if twins:
            self.proposals.repeat(number, twins[0])
        else:
            self._tell(number, "finished", self._known[key])
        return True

    def _tell(self, number: int, status: str, metrics: Mapping[str, float]) -> None:
        search = self.search
        missing = search.lacking(metrics) if status == "finished" else []
        if missing:
            name = _name(number)
            logger.warning("%s has no %s, and counts as failed", name, " and no ".join(missing))
            self.proposals.tell(number, "failed")
        elif status == "finished":
            values, violations = search.values(metrics), search.violations(metrics)
            self.proposals.tell(number, status, values, violations)
        else:
            self.proposals.tell(number, status)

    def _leftovers(self, saved: Callable[[], Iterable[SavedPack]]) -> list[Pack]:
        """Return the packs that were running, or waited at a rung, when an earlier driver died."""
        members: dict[int, dict[str, Trial]] = defaultdict(dict)
        running: set[str] = set()
        for frozen in self.proposals.trials():
            if frozen.state is TrialState.WAITING:
                continue
            key, pack = frozen.user_attrs.get(KEY), frozen.user_attrs.get(PACK)
            if not key:
                self.proposals.tell(frozen.number, "failed")
            if not key or WARM in frozen.user_attrs:
                continue
            trial = Trial(self.config(frozen), self.plan.seeds[0])
            self.plan.add(_name(frozen.number), trial.config, self.plan.seeds[:1])
            if frozen.state is TrialState.RUNNING and key in self._known:
                self._tell(frozen.number, "finished", self._known[key])
            elif pack is not None and frozen.state is TrialState.RUNNING:
                running.add(key)
            if pack is not None:
                members[pack][key] = trial
        packs = [self._pack(name, members[name]) for name in sorted(members)]
        return interrupted(packs, saved(), running) if running else []


def distribution(knob: Knob, *, whole: bool) -> BaseDistribution:
    """Return what a knob's values are drawn from.

    Args:
        knob: of a space.
        whole: whether its field holds whole numbers.
    """
    if isinstance(knob, Choice):
        return CategoricalDistribution(knob.values)
    if whole:
        return IntDistribution(int(knob.low), int(knob.high), log=knob.log)
    return FloatDistribution(knob.low, knob.high, log=knob.log)


def _suggest_number(asked: optuna.Trial, knob: Range, *, whole: bool) -> int | float:
    if whole:
        return asked.suggest_int(knob.field, int(knob.low), int(knob.high), log=knob.log)
    return asked.suggest_float(knob.field, knob.low, knob.high, log=knob.log)


def _name(number: int) -> str:
    return f"trial {number}"


def _first(members: Mapping[str, Trial]) -> Trial:
    return next(iter(members.values()))
