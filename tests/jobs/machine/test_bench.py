"""Estimates from what was measured on a machine."""

import pytest

from jobs.machine.bench import Bench, Step, paper_shapes, write_bench
from jobs.machine.layouts import Layout
from jobs.machine.measured import read_bench
from jobs.machine.speed import PAPER, step_flop
from jobs.packs import Pack
from jobs.planning.estimate import estimate_by_pace
from search_spaces.load import load
from tass_core.config import TrialConfig
from tass_core.errors import ConfigError
from tass_core.trial import Trial

BASE = TrialConfig()


@pytest.fixture
def bench():
    flop = step_flop(BASE, PAPER)
    return Bench(
        device="abacus",
        cores=4,
        threads=4,
        torch="2",
        at=0.0,
        precision="float32",
        matmul_flops=1e12,
        bandwidth=1e10,
        steps=(
            Step("small", flop / 100, {1: 50.0}, (Layout(1, 4, 150.0, 0), Layout(4, 1, 50.0, 0))),
            Step("paper", flop, {1: 1.0, 2: 2.0}, (Layout(2, 2, 6.0, 0),)),
        ),
        dataset="small",
        epoch_seconds=2.0,
        epochs=10,
        process_seconds=1.0,
        pack_seconds=0.1,
    )


def test_pace_is_steps_at_the_nearest_shape_and_its_best_width(bench):
    batch = BASE.optimiser.batch_size
    assert bench.pace(BASE, PAPER, 10 * batch, 0) == pytest.approx(10 / 2.0)
    assert bench.pace(BASE, PAPER, 0, 30 * batch) == pytest.approx(10 / 2.0)


def test_packs_at_once_have_the_pace_they_were_measured_at(bench):
    batch = BASE.optimiser.batch_size
    assert bench.pace(BASE, PAPER, 10 * batch, 0, packs=2) == pytest.approx(10 / 3.0)
    unmeasured = bench.pace(BASE, PAPER, 10 * batch, 0, packs=4)
    assert unmeasured == pytest.approx(4 * bench.pace(BASE, PAPER, 10 * batch, 0))


def test_trials_an_hour_grow_with_the_rate(bench):
    assert bench.trials_per_hour("small", 1) == pytest.approx(3600 / 20)
    one, two = (bench.trials_per_hour("paper", width) for width in (1, 2))
    assert two == pytest.approx(2 * one)
    assert bench.trials_per_hour("paper", 4) is None


def test_ablations_at_the_papers_size_are_every_variant_with_five_seeds(bench):
    trials, seconds = bench.ablations_seconds()
    full = bench.pace(BASE, PAPER, 31_927, 4_568, packs=2) * 30 / 2
    rows = [row for table in load("ablations").tables for row in table.rows if row.set is not None]
    assert trials == 5 * len({BASE.vary(row.set).hash() for row in rows})
    assert 0.5 * trials * full < seconds < 3 * trials * full


def test_less_pooling_means_more_segments_and_more_arithmetic():
    fine = BASE.replace("data.t2", 3)
    assert paper_shapes(fine).segments == 20
    assert step_flop(fine, paper_shapes(fine)) > 1.5 * step_flop(BASE, paper_shapes(BASE))


def test_every_module_left_out_saves_arithmetic():
    full = step_flop(BASE, PAPER)
    for change in (
        {"model.spatial_grounding": False},
        {"model.temporal_grounding": False},
        {"loss.match": False},
    ):
        assert step_flop(BASE.with_values(change), PAPER) < full


def test_a_plan_takes_the_pace_for_every_trial():
    pack = Pack({str(n): Trial(BASE.replace("optimiser.epochs", 10), n) for n in range(2)})
    found = estimate_by_pace([pack, pack], lambda _config, _packs: 3.0, 2)
    assert found.seconds == pytest.approx(2 * 10 * 3.0)
    assert found.source == "benchmark"


def test_figures_survive_the_file_and_nothing_else_is_taken_for_them(bench, tmp_path):
    path = tmp_path / "new" / "bench.json"
    write_bench(path, bench)
    assert read_bench(path) == bench
    assert list(path.parent.iterdir()) == [path]
    path.write_text(path.read_text().replace('"training_version": ', '"training_version": 9'))
    assert read_bench(path) is None
    for text in ("", "[]", "{}"):
        path.write_text(text)
        assert read_bench(path) is None
    assert read_bench(tmp_path / "absent.json") is None


def test_a_file_that_cannot_be_written_is_named(bench, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_bench(tmp_path / "file" / "bench.json", bench)
