"""Rows of sweeps with another base, other data or other code are never compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from evidence.claims import ClaimResult, check
from evidence.selection import choose, conflict
from evidence.tables import collect
from tests.reports.runs import Sweep, write_sweep
from tracking import schema


@pytest.fixture
def two_sweeps(tmp_path: Path) -> Callable[..., tuple[Sweep, Sweep]]:
    """Write Tables 2 and 4, then Table 2 alone; the older one has another base config."""

    def write(**base: object) -> tuple[Sweep, Sweep]:
        first = write_sweep(tmp_path, keys=("table2", "table4"), seeds=(0, 1))
        changed = {name.replace("__", "."): value for name, value in base.items()}
        later = write_sweep(
            tmp_path,
            keys=("table2",),
            seeds=(0, 1),
            name="longer",
            base=changed,
            shifts={"w/o T-A": -0.2},
        )
        return first, later

    return write


def claim(sweep: Sweep, key: str) -> ClaimResult:
    return next(r for r in check(sweep.snapshot()).results if r.claim.key == key)


def test_a_claim_over_two_base_configs_is_open_and_says_what_differs(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    first, later = two_sweeps(optimiser__epochs=30)
    found = claim(later, "target-settings")
    assert found.decision == "undecided"
    reasons = [result.verdict.reason for result in found.contrasts]
    assert all("base config: optimiser.epochs" in reason for reason in reasons)
    assert all(first.parent[:8] in reason for reason in reasons)
    assert all(result.estimate is None for result in found.contrasts)


def test_a_claim_over_two_sweeps_of_one_base_config_is_tested(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    _, later = two_sweeps()
    assert all(result.estimate for result in claim(later, "target-settings").contrasts)


def test_a_field_without_effect_does_not_part_two_sweeps(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    _, later = two_sweeps(optimiser__step_size=7)
    one, other = {c.sweep.run_id: c.sweep for c in choose(later.snapshot())}.values()
    assert conflict(one, other) is None


def test_the_grounding_table_names_rows_of_another_base_config(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    _, later = two_sweeps(optimiser__epochs=30)
    [table] = collect(later.snapshot(), tables=["grounding"])
    rows = {row.name: row for row in table.rows}
    assert rows["w/o T-A"].cells["ground/spatial"].mean is not None
    for cell in rows["TSG w/ mul"].cells.values():
        assert cell.mean is None
        assert "base config: optimiser.epochs" in cell.holes[0].reason
    assert len(rows) == len(table.rows)


def test_other_training_code_leaves_a_claim_open(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    first, later = two_sweeps()
    client = MlflowClient(tracking_uri=later.uri)
    for run in (first.parent, *first.runs.values()):
        client.set_tag(run, schema.TRAINING_VERSION, "0")
    reasons = [r.verdict.reason for r in claim(later, "target-settings").contrasts]
    assert all("training code: version" in reason for reason in reasons)


def test_tables_of_another_dataset_are_left_out(tmp_path: Path) -> None:
    first = write_sweep(tmp_path, keys=("table5", "table7"), seeds=(0,))
    later = write_sweep(tmp_path, keys=("table5",), seeds=(0,), name="tau")
    client = MlflowClient(tracking_uri=later.uri)
    client.set_tag(first.parent, schema.FINGERPRINT, "beef")
    assert [found.key for found in choose(later.snapshot())] == ["table5"]


def test_every_table_carries_its_base_config(
    two_sweeps: Callable[..., tuple[Sweep, Sweep]],
) -> None:
    _, later = two_sweeps(optimiser__epochs=30)
    epochs = {t.key: t.base["optimiser.epochs"] for t in collect(later.snapshot())}
    assert epochs["table2"] == 30
    assert epochs["table4"] == 3
