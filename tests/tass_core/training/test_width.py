"""How many members to fuse, and how that is remembered."""

import pytest
import torch

from tass_core.batches.source import BatchSource
from tass_core.errors import ConfigError
from tass_core.training.fuse import parse_fuse
from tass_core.training.member import Member
from tass_core.training.rates import read_rates, write_rates
from tass_core.training.width import (
    NO_MEMORY,
    best_width,
    measure_rates,
    measured_width,
    widths_up_to,
)
from tass_core.trial import Trial


@pytest.mark.parametrize(("text", "fuse"), [("auto", "auto"), ("off", "off"), ("1", 1), ("16", 16)])
def test_what_a_person_may_ask_for(text, fuse):
    assert parse_fuse(text) == fuse


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "on", "", "²"])
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError, match="allowed: auto, off, or a number from 1"):
        parse_fuse(text)


def test_widths_double_up_to_the_number_of_members():
    assert widths_up_to(1) == [1]
    assert widths_up_to(6) == [1, 2, 4, 6]
    assert widths_up_to(8) == [1, 2, 4, 8]


def test_a_wider_stack_must_be_clearly_faster():
    assert best_width({1: 10.0, 2: 10.4, 4: 10.5}) == 1
    assert best_width({1: 10.0, 2: 12.0, 4: 12.1}) == 2
    assert best_width({1: 10.0, 2: 9.5, 4: 20.0}) == 4


@pytest.fixture
def make(base, tiny):
    def members(width):
        trials = [Trial(base.replace("model.tau", tau / 100), 0) for tau in range(width)]
        return [Member(t, tiny.shapes(base), tiny.features(base), "cpu") for t in trials]

    return members


@pytest.fixture
def batch(base, tiny):
    source = BatchSource(tiny.questions("train"), tiny.features(base), base)
    return lambda: next(source.training(0, 1))


def test_every_width_is_measured_unless_it_is_known(make, batch):
    rates = measure_rates(make, [1, 2], batch, "cpu", {1: 1e-6})
    assert rates[1] == 1e-6
    assert rates[2] > 0


def test_a_width_that_is_clearly_slower_ends_the_search(make, batch):
    assert measure_rates(make, [1, 2, 3], batch, "cpu", {1: 1e9, 2: 1.0}) == {1: 1e9, 2: 1.0}


def test_a_width_without_memory_is_remembered_and_ends_the_search(make, batch):
    tried = []

    def scarce(width):
        tried.append(width)
        if width > 1:
            raise torch.OutOfMemoryError
        return make(width)

    rates = measure_rates(scarce, [1, 2, 4], batch, "cpu")
    assert rates == {1: rates[1], 2: NO_MEMORY}
    assert measure_rates(scarce, [1, 2, 4], batch, "cpu", rates) == rates
    assert tried == [1, 2]
    assert best_width(rates) == 1


def test_a_known_width_is_taken_without_another_step(make, batch, tmp_path, monkeypatch):
    monkeypatch.setenv("TASS_CACHE", str(tmp_path))
    measured_width(make, 2, batch, "cpu")
    ((key, rates),) = read_rates(tmp_path / "widths.json").items()
    assert set(rates) == {1, 2}
    write_rates(tmp_path / "widths.json", key, {1: 1.0, 2: 1e6})

    def no_batch():
        raise AssertionError("a step was taken")

    assert measured_width(make, 2, no_batch, "cpu") == 2


def test_a_damaged_file_is_measured_anew(tmp_path):
    path = tmp_path / "widths.json"
    for text in ("", "[]", '{"a": 1}', '{"a": {"x": 1}}'):
        path.write_text(text)
        assert read_rates(path) == {}
    write_rates(path, "key", {1: 2.0})
    assert read_rates(path) == {"key": {1: 2.0}}
    assert list(tmp_path.iterdir()) == [path]
