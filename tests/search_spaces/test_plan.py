"""The plan: every trial once, every row's trials named, every gap explained."""

import json

import pytest

from search_spaces.document import Row, Sweep, Table
from search_spaces.expand import expand, narrow
from search_spaces.load import load, parse_sweep
from search_spaces.plan import empty_plan, make_plan, planned_document
from tass_core.config import TrialConfig
from tass_core.errors import DataError, SweepError
from tass_core.trial import Trial, trial_key
from tests.tass_core.data.folder.small_datasets import write_one_video


def ablations(world, base, seeds=(0, 1)):
    return make_plan(load("ablations"), world, base, seeds)


def sweep(*rows):
    return Sweep("s", "", (Table("t", "t", "A table", ("all",), rows),))


def test_full_model_is_planned_once_for_each_seed(world, base):
    plan = ablations(world, base)
    full = [key for key, trial in plan.trials.items() if trial.config.hash() == base.hash()]
    users = {row.split(":")[0] for key in full for row in plan.uses()[key]}

    assert len(full) == 2
    assert users == {f"table{number}" for number in range(1, 8)}


def test_trials_are_as_many_as_variants_times_seeds(world, base):
    plan = ablations(world, base, seeds=(0, 1, 2))

    own = [v for v in plan.variants.values() if v.config.system == "tass"]
    assert len(own) == 17
    assert len(plan.trials) == 3 * len(plan.variants)


def test_keys_are_the_trials_content_addresses(world, base):
    plan = ablations(world, base)

    for key, trial in plan.trials.items():
        assert key == trial_key(Trial(trial.config, trial.seed), world.fingerprint)


def test_written_plan_names_a_trial_for_each_seed_of_each_row(world, base):
    written = ablations(world, base).to_dict()

    for table in written["tables"]:
        for row in table["rows"]:
            if row["variant"] is None:
                assert row["trials"] == {}
                continue
            assert sorted(row["trials"]) == ["0", "1"]
            for seed, key in row["trials"].items():
                trial = written["trials"][key]
                assert trial == {"variant": row["variant"], "seed": int(seed)}
                assert row["variant"] in written["variants"]


def test_base_configs_variant_is_called_tass(world, base):
    plan = ablations(world, base)

    assert plan.variants[base.hash()].name == "TASS"


def test_row_that_cannot_run_stays_with_its_reason(world, base):
    found = sweep(Row("fine", {}), Row("seven", {"data.t2": 7}))

    (planned,) = make_plan(found, world, base, (0,)).tables

    assert planned.rows[0].missing is None
    assert "7" in planned.rows[1].missing
    assert planned.rows[1].trials == {}


def test_sweep_without_any_possible_row_is_refused(world, base):
    with pytest.raises(SweepError, match="no row can be trained on tiny"):
        make_plan(sweep(Row("seven", {"data.t2": 7})), world, base, (0,))


def test_same_command_has_the_same_sweep_key(world, base):
    plan = ablations(world, base)

    assert plan.key == ablations(world, base).key
    assert plan.key != ablations(world, base, seeds=(0,)).key
    assert plan.key != ablations(world, base.replace("model.tau", 0.01)).key


def test_config_of_a_trial_is_canonical(world, base):
    plan = ablations(world, base)

    for trial in plan.trials.values():
        assert trial.config == trial.config.canonical()
    assert isinstance(base, TrialConfig)


def test_written_plan_brings_the_document_it_came_from(world, base):
    found = make_plan(narrow(expand(load("ablations")), ("2", "5")), world, base, (0,))

    document = planned_document(json.loads(json.dumps(found.to_dict())))

    assert document == found.document
    assert [table.key for table in document.tables] == ["table2", "table5"]
    assert {claim.key for claim in document.claims} >= {"components", "tau-best"}
    assert "interleave" not in {claim.key for claim in document.claims}


def test_plan_of_a_search_brings_the_space_that_fits_the_dataset(world, base):
    found = planned_document(empty_plan(load("joint"), world, base, (0,)).to_dict())

    (t2,) = (knob for knob in found.space if knob.field == "data.t2")
    assert all(world.segments % value == 0 for value in t2.values)
    assert found.tables == ()


@pytest.mark.parametrize(
    "asked",
    [
        {"objectives": ["val/all", "val/ground/temporal"]},
        {"constraints": ["val/ground/temporal >= 40"]},
    ],
)
def test_grounding_is_searched_for_only_where_the_truth_is_known(world, base, tmp_path, asked):
    document = {"space": {"model.tau": {"low": 0.0, "high": 0.05}}, **asked}
    search = parse_sweep("my.toml", document, "my")
    blind = write_one_video(tmp_path / "one", segments=12, splits=("train", "val", "test"))

    assert empty_plan(search, world, base, (0,)).document.measured >= {"val/ground/temporal"}
    with pytest.raises(
        DataError, match=r"'val/ground/temporal' compares .* of dataset 'one': only"
    ):
        empty_plan(search, blind, base, (0,))


def test_plan_without_a_document_falls_back_to_the_built_in_tables(world, base):
    written = make_plan(load("t2"), world, base, (0,)).to_dict()
    del written["document"]

    document = planned_document(written)

    assert [table.title for table in document.tables] == ["Impact of T2 (segments pooled into one)"]
    assert [knob.field for knob in document.space] == ["data.t2"]


def test_a_rival_s_variant_says_how_near_the_published_network_it_is(world, base):
    plan = make_plan(load("systems"), world, base, [0]).to_dict()
    told = {variant["name"]: variant for variant in plan["variants"].values()}
    assert told["COCA"]["fidelity"] == "reconstructed"
    assert "no backbone adaptation" in told["LAVISH"]["differs"]
    assert "fidelity" not in told["TASS"]


def test_a_published_network_with_mccd_is_no_longer_exact(world, base):
    plan = make_plan(load("systems"), world, base, [0]).to_dict()
    told = {variant["name"]: variant for variant in plan["variants"].values()}
    for name in ("TASS, MCCD", "AVST, MCCD"):
        assert told[name]["fidelity"] == "adapted"
        assert told[name]["differs"].endswith("with MCCD's loss, by each question's own distances")
