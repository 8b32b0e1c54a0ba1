"""How long a plan takes, told from past trials of the same shape."""

import pytest

from cli.display import duration
from jobs.packs import Pack
from jobs.planning.estimate import checkpoint_bytes, costs, estimate, makespan
from tass_core.config import TrialConfig
from tass_core.trial import Trial
from tracking.reader import TrialRun

BASE = TrialConfig().replace("optimiser.epochs", 10)


def past(key, seconds_per_epoch, config=BASE, params_m=2.0):
    return TrialRun(
        key=key,
        run_id=key,
        experiment_id="1",
        state="finished",
        seed=0,
        config_hash=config.hash(),
        variant="v",
        dataset="toy",
        fingerprint="f",
        training_version="1",
        reason=None,
        checkpoint=None,
        parent="s",
        started=0,
        artifact_uri="",
        metrics={"params_m": params_m},
        seconds_per_epoch=seconds_per_epoch,
        params={name: str(value) for name, value in config.flat().items()},
    )


def pack(*configs):
    return Pack({str(number): Trial(config, 0) for number, config in enumerate(configs)})


def test_loads_go_to_the_slot_that_is_free_first():
    assert makespan([5, 3, 2, 2], 2) == 7
    assert makespan([5, 3, 2, 2], 1) == 12
    assert makespan([], 4) == 0


def test_pace_of_the_same_shape_is_used_with_its_spread():
    held = {"a": past("a", 1.0), "b": past("b", 3.0)}

    found = estimate([pack(BASE, BASE)], held, 1)

    assert found.seconds == pytest.approx(2 * 10 * 2.0)
    assert found.low < found.seconds < found.high
    assert found.high - found.seconds == pytest.approx(2 * 10 * 2**0.5)
    assert found.same_shape


def test_start_up_is_counted_where_an_earlier_sweep_tells():
    held = {"a": past("a", 1.0), "b": past("b", 3.0)}

    without, found = (estimate([pack(BASE)], held, 1, startup) for startup in (None, 8.0))

    for name in ("seconds", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(without, name) + 8.0)
    assert (without.startup, found.startup) == (None, 8.0)


def test_other_shapes_serve_where_nothing_better_is_known():
    held = {"a": past("a", 1.0, BASE.replace("data.t2", 3))}

    found = estimate([pack(BASE)], held, 1)

    assert found.seconds == pytest.approx(10.0)
    assert not found.same_shape


def test_without_a_past_nothing_is_claimed():
    assert estimate([pack(BASE)], {}, 1) is None
    assert checkpoint_bytes([Trial(BASE, 0)], {}) is None


def test_a_trial_costs_what_its_shape_took_and_else_what_is_typical():
    wide = BASE.replace("model.width", 2 * BASE.model.width)
    epochs = BASE.optimiser.epochs
    cost = costs({"a": past("a", 2.0), "b": past("b", 8.0, wide)})

    assert cost(Trial(BASE, 0)) == 2.0 * epochs
    assert cost(Trial(wide, 0)) == 8.0 * epochs
    assert cost(Trial(BASE.replace("data.t2", 1), 0)) == 5.0 * epochs
    assert costs({})(Trial(wide, 0)) == epochs


def test_checkpoints_are_four_bytes_a_parameter():
    held = {"a": past("a", 1.0)}

    assert checkpoint_bytes([Trial(BASE, 0), Trial(BASE, 1)], held) == 16_000_000


@pytest.mark.parametrize(
    ("seconds", "words"), [(42.4, "42 s"), (420, "7 min"), (12_000, "3 h 20 min")]
)
def test_durations_are_said_as_a_person_would(seconds, words):
    assert duration(seconds) == words
