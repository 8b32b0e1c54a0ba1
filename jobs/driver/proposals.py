"""The study of a search in the driver's memory, and the news of it for its database.

Asking and telling reach no disk and no network, and a report costs the same however many
trials there are.
"""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from jobs.driver.study_writer import NUMBER, Past, plain
from search_spaces.document import Scalar
from search_spaces.objectives import Direction
from tracking.events import ProposalTold

Post = Callable[[Sequence[ProposalTold]], None]
KEY, PACK, WARM = "trial_key", "pack", "warm"
"""Attributes of a proposal: the trial that it stands for, the number of its pack, and that it
was trained before the search asked for it."""
_SHARED = "qmc:"
"""Beginning of what a sampler keeps with the study and cannot find out again."""
_STATUS = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Proposals:
    """An Optuna study in memory.

    Args:
        name: of the study.
        directions: ``maximize`` or ``minimize``, one for each objective.
        past: what the database holds of the study.
        post: takes the news, each once.
    """

    def __init__(self, name: str, directions: Sequence[Direction], past: Past, post: Post) -> None:
        # TPE's groups and samplers with fixed values; a change of them would fail a test.
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self.name, self._post = name, post
        self._storage = InMemoryStorage()
        self.study = optuna.create_study(
            study_name=name, storage=self._storage, directions=list(directions)
        )
        self._id = self._storage.get_study_id_from_name(name)
        for attribute, value in past.shared.items():
            if attribute.startswith(_SHARED):
                self._storage.set_study_system_attr(self._id, attribute, value)
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._news: list[ProposalTold] = []
        self._recall(past.trials)

    def __len__(self) -> int:
        return self._storage.get_n_trials(self._id)

    def trial(self, number: int) -> FrozenTrial:
        """Return a proposal."""
        return self._storage.get_trial(self._place(number))

    def trials(self) -> list[FrozenTrial]:
        """Return all proposals, by number."""
        return self._storage.get_all_trials(self._id, deepcopy=False)

    def of(self, key: str) -> Sequence[int]:
        """Return the numbers of the proposals that stand for a trial."""
        return tuple(self._numbers.get(key, ()))

    def suggest_first(self, params: Mapping[str, Scalar]) -> None:
        """Let these be proposed before anything a sampler draws, unless they were already."""
        self.study.enqueue_trial(dict(params), skip_if_exists=True)

    def ask(self, sampler: BaseSampler) -> optuna.Trial:
        """Return a new proposal without values."""
        self.study.sampler = sampler
        return self.study.ask()

    def name_trial(self, number: int, key: str, pack: int | None) -> None:
        """Note which trial a proposal stands for, and in which pack it trains."""
        place = self._place(number)
        self._numbers[key].append(number)
        self._storage.set_trial_user_attr(place, KEY, key)
        if pack is not None:
            self._storage.set_trial_user_attr(place, PACK, pack)
        self._announce(number)

    def add(
        self,
        key: str,
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        values: Sequence[float],
        constraints: Mapping[str, float],
    ) -> None:
        """Add a trial that has ended before the search asked for it."""
        number = len(self)
        trial = create_trial(
            params=dict(params),
            distributions=dict(distributions),
            values=list(values),
            user_attrs={KEY: key, WARM: True},
            constraints=dict(constraints),
        )
        self._add(trial)
        self._announce(number)
        self._tell_news(number, "complete", values)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Take an intermediate value; a repeated one, or one of an ended trial, is dropped."""
        trial = self.trial(number)
        if not trial.state.is_finished() and epoch not in trial.intermediate_values:
            self._storage.set_trial_intermediate_value(self._place(number), epoch, value)
            self._news.append(self._told(number, "running", steps={str(epoch): value}))

    def tell(
        self,
        number: int,
        status: str,
        values: Sequence[float] = (),
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        """Take the end of a proposal; only the first counts."""
        place, trial = self._place(number), self.trial(number)
        if trial.state.is_finished():
            return
        for name, value in (constraints or {}).items():
            self._storage.set_trial_system_attr(place, f"constraints:{name}", value)
        if status == "finished":
            self.study.tell(number, list(values))
        else:
            state = TrialState.PRUNED if status == "pruned" else TrialState.FAIL
            self.study.tell(number, state=state)
        told = self.trial(number)
        self._tell_news(number, told.state.name.lower(), told.values or ())

    def repeat(self, number: int, twin: int) -> None:
        """Tell a proposal all that is known of another one that stands for the same trial."""
        known = self.trial(twin)
        for epoch, value in known.intermediate_values.items():
            self.report(number, epoch, value)
        if known.state.is_finished():
            status = _STATUS[known.state]
            values = known.values if status == "finished" else ()
            self.tell(number, status, values or (), known.constraints)

    def post(self) -> None:
        """Hand over the news."""
        if self._news:
            self._post(self._news)
            self._news = []

    def _recall(self, trials: Sequence[FrozenTrial]) -> None:
        """Take over what a database holds; a number that it lacks stands for nothing."""
        known = {
            int(trial.user_attrs.get(NUMBER, trial.number)): trial
            for trial in trials
            if trial.state is not TrialState.WAITING
        }
        nothing = create_trial(state=TrialState.FAIL)
        for number in range(max(known, default=-1) + 1):
            self._add(known.get(number, nothing))

    def _add(self, trial: FrozenTrial) -> None:
        self.study.add_trial(trial)
        key = trial.user_attrs.get(KEY)
        if key is not None:
            self._numbers[key].append(len(self) - 1)

    def _announce(self, number: int) -> None:
        trial = self.trial(number)
        shared = self._storage.get_study_system_attrs(self._id)
        told = self._told(
            number,
            "running",
            params=dict(trial.params),
            distributions={n: distribution_to_json(d) for n, d in trial.distributions.items()},
            attrs=plain(trial.user_attrs),
            system_attrs=plain(trial.system_attrs),
            shared={name: value for name, value in shared.items() if name.startswith(_SHARED)},
        )
        self._news.append(told)

    def _tell_news(self, number: int, state: str, values: Sequence[float]) -> None:
        attrs = plain(self.trial(number).system_attrs)
        told = self._told(number, state, values=list(values), system_attrs=attrs)
        self._news.append(told)

    def _told(self, number: int, state: Any, **more: Any) -> ProposalTold:
        return ProposalTold(study=self.name, number=number, state=state, at=time.time(), **more)

    def _place(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
