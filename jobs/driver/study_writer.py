"""A search's study in its database: what the driver knows of it, told when there is time.

The driver asks and tells a study in its memory (``jobs.driver.proposals``). What happens there
is posted to an outbox, and a delivery brings it here. So a search goes on while the database is
away, and loses nothing when the driver dies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_spaces.objectives import Direction
from tass_core.errors import SweepError
from tracking.events import Event, Origin, ProposalTold
from tracking.uris import first_line, shown, sqlite_path
from tracking.writer import AwayError, OrphanError

NUMBER = "number"
"""A proposal's number, in the attributes of its trial."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a database holds of a study."""

    trials: Sequence[FrozenTrial]
    shared: Mapping[str, Any]
    """What samplers keep with the study."""


class StudyWriter:
    """Writes events to one study of an Optuna storage (a ``tracking.delivery.Sink``).

    Args:
        url: of the storage, as SQLAlchemy takes it.
        name: of the study, which is made when it is not there.
        directions: ``maximize`` or ``minimize``, one for each objective.

    Raises:
        SweepError: the storage cannot be used.
    """

    def __init__(self, url: str, name: str, directions: Sequence[Direction]) -> None:
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self.url = url
        try:
            self._storage = optuna.storages.get_storage(url)
            optuna.create_study(
                study_name=name,
                storage=self._storage,
                directions=list(directions),
                load_if_exists=True,
            )
            self._study = self._storage.get_study_id_from_name(name)
            self._places = self._known()
        except Exception as error:
            raise SweepError(f"--study-storage {shown(url)}: {first_line(error)}") from None
        self._file = _identity(sqlite_path(url))

    def past(self) -> Past:
        """Return what the database holds.

        Raises:
            SweepError: it does not answer.
        """
        try:
            trials = self._storage.get_all_trials(self._study, deepcopy=False)
            shared = self._storage.get_study_system_attrs(self._study)
        except Exception as error:
            raise SweepError(f"--study-storage {shown(self.url)}: {first_line(error)}") from None
        return Past(trials, shared)

    def apply(self, _origin: Origin, events: Sequence[Event]) -> None:
        """Write what is new of proposals; repeating the same events changes nothing.

        Raises:
            AwayError: everything may be tried again.
            OrphanError: a proposal of which only the end is told.
        """
        try:
            self._check_file()
            self._places = self._places or self._known()
            for event in events:
                if isinstance(event, ProposalTold):
                    self._tell(event)
        except OrphanError:
            raise
        except Exception as error:
            self._places = {}
            raise AwayError(f"study storage {shown(self.url)}: {first_line(error)}") from error

    def ping(self) -> None:
        """Raise AwayError unless the storage answers at all."""
        try:
            self._check_file()
            self._storage.get_study_name_from_id(self._study)
        except Exception as error:
            raise AwayError(f"study storage {shown(self.url)}: {first_line(error)}") from error

    def _known(self) -> dict[int, int]:
        """Return proposal -> trial id, of what the database holds."""
        storage, study = self._storage, self._study
        return {
            int(trial.user_attrs.get(NUMBER, trial.number)): (
                storage.get_trial_id_from_study_id_trial_number(study, trial.number)
            )
            for trial in storage.get_all_trials(study, deepcopy=False)
        }

    def _check_file(self) -> None:
        """Refuse a SQLite file that is gone or another one: the open one would be written."""
        path = sqlite_path(self.url)
        if path is not None and _identity(path) != self._file:
            raise FileNotFoundError(f"{path} has been removed or replaced; put it back")

    def _tell(self, event: ProposalTold) -> None:
        place = self._places.get(event.number)
        if place is None:
            place = self._create(event)
        known = self._storage.get_trial(place)
        if known.state.is_finished():
            return
        for step, value in event.steps.items():
            if int(step) not in known.intermediate_values:
                self._storage.set_trial_intermediate_value(place, int(step), value)
        for name, item in _new(event.attrs, known.user_attrs):
            self._storage.set_trial_user_attr(place, name, item)
        for name, item in _new(event.system_attrs, known.system_attrs):
            self._storage.set_trial_system_attr(place, name, item)
        for name, item in event.shared.items():
            self._storage.set_study_system_attr(self._study, name, item)
        state = TrialState[event.state.upper()]
        if state.is_finished():
            self._storage.set_trial_state_values(place, state, event.values or None)

    def _create(self, event: ProposalTold) -> int:
        if not event.attrs:
            raise OrphanError(f"study {event.study} has no proposal {event.number}")
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(event.params),
            distributions={
                name: json_to_distribution(text) for name, text in event.distributions.items()
            },
            user_attrs={**event.attrs, NUMBER: event.number},
        )
        place = self._storage.create_new_trial(self._study, template_trial=trial)
        self._places[event.number] = place
        return place


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as an event carries them: as JSON gives them back."""
    return dict(json.loads(json.dumps(dict(values))))


def _new(told: Mapping[str, Any], known: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in told.items() if known.get(name) != value]


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        return None if path is None else (path.stat().st_dev, path.stat().st_ino)
    except OSError:
        return None
