"""Documents are read, and say what they hold."""

import json
import subprocess
import sys
import tomllib

import pytest

from search_spaces.describe import describe
from search_spaces.document import Range, Term
from search_spaces.expand import expand
from search_spaces.load import BUILT_IN, document_text, load, parse_sweep
from tass_core.errors import ConfigError
from tests import ROOT

MINE = """
purpose = "What a sweep of one's own may hold."
seeds = [0, 1, 2]
epochs = 5
dataset = "data/mine"
budget = 40
objectives = ["val/all", "params_m"]
constraints = ["params_m <= 3"]
base = { model.width = 64 }
paper = ["table2"]

[systems.avst]
model.heads = 2

[tables.mine]
title = "My rows"
columns = ["v_loc", "all"]
reference = "as it is"

[tables.mine.rows]
"as it is" = {}
"τ above" = { model.tau = 0.03, loss.match = false }
"theirs" = "published only"
"rival" = { system = "avst", model.dropout = 0.2 }

[tables.mine.published.updated]
"as it is" = [79.51, 74.98]
[tables.mine.published.unknown]
"theirs" = ["-", 70]

[tables.mine.notes]
"theirs" = "Read off a figure."

[grids.both]
title = "Two at once"
axes."τ" = { field = "model.tau", values = [0, 0.02] }
axes."T2" = { field = "data.t2", values = [1, 4], divides = "segments" }

[ablations.parts]
title = "One part less"
set = { model.merge = "auto" }
[ablations.parts.components]
"TSG+" = { on = { model.spatial_grounding = true }, off = { model.spatial_grounding = false } }
"L_s" = { on = { loss.match = true }, off = { loss.match = false }, needs = ["TSG+"] }

[space]
"data.t2" = { values = [1, 2, 4], divides = "segments" }
"loss.match" = { values = [true, false] }
"loss.lambda_s" = { low = 0.05, high = 5, log = true, needs = { loss.match = true } }
"optimiser.batch_size" = { low = 16, high = 64 }

[claims.mine]
sentence = "A higher τ is better."
margin = 0.5
contrasts."τ" = { plus = "mine: τ above", minus = ["mine: as it is", "table2: TASS"] }

[[slips]]
sentence = "Mine is 10 points better than theirs."
printed = 10.0
name = "mine over theirs"
plus = "mine: as it is"
minus = "mine: theirs"
"""


def read(text):
    return parse_sweep("my.toml", tomllib.loads(text), "my")


def test_a_document_may_hold_all_of_it():
    sweep = read(MINE)

    assert [table.key for table in expand(sweep).tables] == ["table2", "mine", "both", "parts"]
    assert sweep.seeds == (0, 1, 2)
    assert (sweep.datasets, sweep.budget) == (("data/mine",), 40)
    assert sweep.base == {"model.width": 64, "optimiser.epochs": 5}


def test_rows_bring_what_they_set_and_what_was_published():
    mine = read(MINE).tables[1]

    assert [row.set for row in mine.rows] == [
        {},
        {"model.tau": 0.03, "loss.match": False},
        None,
        {"system": "avst", "model.dropout": 0.2},
    ]
    assert [row.test_file for row in mine.rows] == ["updated", None, "unknown", None]
    assert dict(mine.rows[2].published) == {"all": 70.0}
    assert mine.note == "On an unknown test file: theirs. theirs: Read off a figure."


def test_a_contrast_is_of_one_row_in_a_column_that_may_be_below_0():
    both = 'minus = ["mine: as it is", "table2: TASS"]'
    alone = read(MINE.replace(both, 'column = "test/audio_focus"')).claims[0].contrasts[0]

    assert alone.terms == (Term(1.0, "mine", "τ above"),)
    assert alone.published is None


def test_rows_of_a_system_begin_with_what_the_document_says_of_it():
    mine = expand(read(MINE)).tables[1]

    assert mine.rows[3].set == {"system": "avst", "model.heads": 2, "model.dropout": 0.2}
    assert mine.rows[0].set == {}


def test_base_of_a_system_begins_with_what_the_document_says_of_it():
    text = """
        epochs = 5
        base = { system = "avst", model.width = 64 }
        systems.avst = { model.heads = 2, model.width = 32 }
        paper = ["table1"]
    """

    assert read(text).base == {
        "system": "avst",
        "model.heads": 2,
        "model.width": 64,
        "optimiser.epochs": 5,
    }


def test_document_may_name_several_datasets():
    sweep = read(MINE.replace('"data/mine"', '["data/a", "data/b"]'))

    assert sweep.datasets == ("data/a", "data/b")
    assert describe(sweep)["dataset"] == ["data/a", "data/b"]


def test_a_sweep_knows_the_text_it_came_from(tmp_path):
    (tmp_path / "my.toml").write_text(MINE)

    assert load(tmp_path / "my.toml").text == MINE
    assert load("tau").text == document_text("tau")


def test_claims_weigh_the_means_of_their_rows():
    (claim, *paper) = read(MINE).claims

    assert [(term.weight, term.row) for term in claim.contrasts[0].terms] == [
        (1.0, "τ above"),
        (-0.5, "as it is"),
        (-0.5, "TASS"),
    ]
    assert claim.contrasts[0].published is None
    assert {about.key for about in paper} >= {"components", "match-loss"}


def test_what_the_tables_give_for_a_slip_is_computed():
    (mine, *_) = read(MINE).slips

    assert mine.computed == pytest.approx(74.98 - 70)


def test_bounds_of_a_whole_number_are_whole():
    (*_, batch) = read(MINE).space

    assert isinstance(batch, Range)
    assert (batch.low, batch.high) == (16, 64)
    assert isinstance(batch.low, int)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sweep_is_what_its_description_says(name):
    sweep = expand(load(name))

    assert parse_sweep(name, json.loads(json.dumps(describe(sweep))), "other") == sweep


def test_document_is_what_its_description_says():
    sweep = expand(read(MINE))

    assert parse_sweep("again", describe(sweep), "other") == sweep


def test_there_is_a_file_for_every_built_in_sweep_and_no_other():
    files = {path.stem for path in (ROOT / "search_spaces" / "sweeps").glob("*.toml")}

    assert files == set(BUILT_IN)


def test_file_is_loaded_under_its_own_name(tmp_path):
    (tmp_path / "my-sweep.toml").write_text(MINE)

    assert load(tmp_path / "my-sweep.toml").name == "my-sweep"


def test_unknown_sweep_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'ablations'"):
        load("ablation")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read \(No such file"):
        load(tmp_path / "none.toml")


def test_text_that_is_no_toml_is_named_with_its_line(tmp_path):
    (tmp_path / "bad.toml").write_text('purpose = "x"\nrows = = 3\n')

    with pytest.raises(ConfigError, match=r"bad\.toml: not TOML: .*line 2"):
        load(tmp_path / "bad.toml")


def test_text_that_is_not_utf_8_is_named_with_its_byte(tmp_path):
    (tmp_path / "bad.toml").write_bytes(b'purpose = "\xff"')

    with pytest.raises(ConfigError, match="byte 11 is not UTF-8"):
        load(tmp_path / "bad.toml")


def test_a_table_of_the_papers_key_is_not_replaced(tmp_path):
    text = '[tables.table2]\ntitle = "x"\ncolumns = ["all"]\nrows."a" = {}\n'
    (tmp_path / "my.toml").write_text(text)

    with pytest.raises(ConfigError, match=r'paper = \["table2"\]'):
        load(tmp_path / "my.toml")


OTHER = """
base = { system = "mcan" }

[tables.mine]
title = "Rows"
columns = ["all"]
[tables.mine.rows]
"deep" = { model.layers = 6 }
"TASS" = { system = "tass", model.tau = 0.03 }

[grids.deep]
title = "How deep"
axes."layers" = { field = "model.layers", values = [1, 2] }

[space]
"model.layers" = { low = 1, high = 6 }
"loss.bce" = { values = [true, false] }
"""


def test_fields_are_those_of_the_bases_system():
    sweep = read(OTHER)
    assert sweep.tables[0].rows[0].set == {"model.layers": 6}
    assert [row.set for row in expand(sweep).tables[1].rows] == [
        {"model.layers": 1},
        {"model.layers": 2},
    ]
    assert [knob.field for knob in sweep.space] == ["model.layers", "loss.bce"]
    assert parse_sweep("plan.json", describe(expand(sweep)), "my") == expand(sweep)


@pytest.mark.parametrize(
    ("stands", "written", "message"),
    [
        ("{ model.layers = 6 }", "{ model.tau = 0.03 }", "unknown field 'model.tau'"),
        ('field = "model.layers", values = [1, 2]', 'field = "model.tau", values = [0]', "'model"),
        ('"model.layers" = {', '"model.tau" = {', "unknown field"),
    ],
)
def test_fields_of_another_system_are_refused(stands, written, message):
    with pytest.raises(ConfigError, match=message):
        read(OTHER.replace(stands, written, 1))


def test_the_papers_tables_stay_tasss_beside_another_base():
    sweep = read('base = { system = "avst" }\npaper = ["table2"]\n')
    assert parse_sweep("plan.json", describe(expand(sweep)), "my") == expand(sweep)


def test_documents_and_plans_load_no_library_that_takes_a_second():
    heavy = {"torch", "numpy", "h5py", "pyarrow", "optuna", "mlflow", "ray", "click", "matplotlib"}
    program = (
        "import sys, search_spaces.plan; from search_spaces.load import load; load('ablations'); "
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_document_without_anything_to_train_is_refused():
    with pytest.raises(ConfigError, match="nothing to train; write paper, tables, grids"):
        read('purpose = "none"')


def test_the_ablations_train_no_rival_but_avst_and_the_systems_all_of_table_1():
    trained = {}
    for name in ("ablations", "systems"):
        table = next(table for table in load(name).tables if table.key == "table1")
        trained[name] = [row.name for row in table.rows if row.set is not None]
    assert trained["ablations"] == ["AVST", "TASS (ResNet-18 + GloVe)", "TASS (CLIP)"]
    assert len(trained["systems"]) == 11


def test_a_sweep_has_those_of_the_papers_claims_whose_rows_it_trains():
    keys = {name: {claim.key for claim in load(name).claims} for name in ("ablations", "systems")}
    assert "over-tjstg" in keys["systems"] - keys["ablations"]
    assert "components" in keys["ablations"] - keys["systems"]


def test_a_document_may_train_some_systems_rows_of_the_papers_tables():
    found = parse_sweep("my.toml", {"paper": ["table1"], "trains": ["mcan"]}, "my")
    assert [row.name for row in found.tables[0].rows if row.set is not None] == ["MCAN"]
    with pytest.raises(ConfigError, match=r"trains: \"mcam\" is not one of .*; did you mean"):
        parse_sweep("my.toml", {"paper": ["table1"], "trains": ["mcam"]}, "my")


def test_systems_by_their_own_recipes_are_those_of_table_1_and_of_beyond():
    own = {row.set.get("system", "tass") for row in load("systems-native").tables[0].rows}
    common = {row.set.get("system", "tass") for t in load("systems").tables for row in t.rows}
    assert own == common - {"pstp-released"}
