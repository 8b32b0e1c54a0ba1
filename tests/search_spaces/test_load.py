"""Documents are read, and every mistake in one is told with its place and its cure.

``TASS_FUZZ=10000`` draws that many mutated documents instead of some hundreds.
"""

import contextlib
import copy
import json
import os
import subprocess
import sys
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.describe import describe
from search_spaces.document import Range
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


BAD = [
    # (what stands in MINE, what somebody wrote instead, what the message says)
    ("seeds = [0, 1, 2]", "seed = [0]", "unknown key 'seed'; allowed: .*; did you mean 'seeds'"),
    ("seeds = [0, 1, 2]", "seeds = 3", "seeds: 3 is not a list"),
    ("seeds = [0, 1, 2]", "seeds = [0, 0]", "seeds: 0 is there twice; name it once"),
    ("seeds = [0, 1, 2]", "seeds = [-1]", "seeds: -1 is not a whole number of at least 0"),
    ("seeds = [0, 1, 2]", "seeds = [1.5]", "seeds: 1.5 is not a whole number"),
    ("epochs = 5", "epochs = true", "epochs: true is not a whole number of at least 1"),
    ("epochs = 5", "epochs = 0", "epochs: 0 is not a whole number of at least 1"),
    ("budget = 40", 'budget = "40"', 'budget: "40" is not a whole number'),
    ('["val/all", "params_m"]', '"val/all"', 'objectives: "val/all" is not a list'),
    ('"val/all", "params_m"', '"val/all", "parms"', "objectives: 'parms' is none of .*; did you m"),
    ('"val/all", "params_m"', '"test/all"', "objectives: 'test/all' is measured on the test split"),
    ("params_m <= 3", "params_m < 3", "constraints: constraint 'params_m < 3' is none; write a me"),
    ("params_m <= 3", "size <= 3", "constraints: 'size' is none of val/"),
    ('dataset = "data/mine"', "dataset = 5", "dataset: 5 is not a list"),
    ('dataset = "data/mine"', 'dataset = ""', "dataset: the text is empty"),
    ("base = {", 'name = "a/b"\nbase = {', "name: .* may hold letters, digits"),
    ("model.width = 64", "model.widht = 64", "base: unknown field 'model.widht'; did you mean"),
    ("model.width = 64", "modle.width = 64", "unknown field 'modle.width'; did you mean 'model.w"),
    ("model.width = 64", "model.width = 1", "model.width = 1 is out of range; allowed: at least 2"),
    ("model.width = 64", "model.width = 64.5", "base: model.width = 64.5 is not a whole number"),
    ("base = { model.width = 64 }", "base = [1]", r"base: \[1\] is not a table"),
    ('["table2"]', '["table8"]', r"paper: \"table8\" is not one of table1, .*; did you mean"),
    ('["table2"]', '"table2"', 'paper: "table2" is not a list'),
    ('title = "My rows"', "", "tables.mine: 'title' is missing; write title ="),
    ('columns = ["v_loc", "all"]', "", "tables.mine: the table has no columns; write columns"),
    ('["v_loc", "all"]', '["v_lok", "all"]', 'columns: "v_lok" is not one of .*did you mean \'v_'),
    ('["v_loc", "all"]', '["all", "all"]', 'columns: "all" is there twice'),
    ('reference = "as it is"', 'reference = "as is"', "reference: .*; did you mean 'as it is'"),
    ('reference = "as it is"', 'reference = "theirs"', 'reference: "theirs" is not one of'),
    ("model.tau = 0.03", "model.tau = -0.03", r"rows: .*|rows\.\"τ above\": model.tau = -0.03"),
    ("model.tau = 0.03", 'model.tau = "high"', "model.tau = 'high' is not a number"),
    ("model.tau = 0.03", "model.tua = 0.03", "unknown field 'model.tua'; did you mean 'model.tau'"),
    ('"published only"', '"published"', "is not one of published only; did you mean"),
    ('"theirs" = ["-", 70]', "", "'theirs' is published only, but no numbers of it"),
    (
        '"theirs" = ["-", 70]',
        '"their" = [1, 70]',
        "\"their\" is not one of .*; did you mean 'theirs'",
    ),
    ('["-", 70]', "[70]", '1 numbers for 2 columns .*; write "-" where there is none'),
    ('["-", 70]', '["?", 70]', r'unknown.theirs: "\?" is not a number'),
    ('["-", 70]', "[nan, 70]", "nan is not finite"),
    ('"theirs" = ["-", 70]', '"as it is" = [1, 2]', "the row also has numbers below 'updated'"),
    ("published.unknown", "published.old", '"old" is not one of original, updated, unknown'),
    (
        '"theirs" = "Read',
        '"thiers" = "Read',
        "notes: unknown key 'thiers'; .*did you mean 'theirs'",
    ),
    ('field = "model.tau", v', "v", "axes.\"τ\": 'field' is missing"),
    ('field = "model.tau", v', 'field = "tau", v', "unknown field 'tau'; did you mean 'model.tau'"),
    ("values = [0, 0.02]", "values = []", "'values' is missing or empty"),
    ("values = [0, 0.02]", "values = [0, 0.0]", "values: 0.0 is there twice"),
    ("values = [0, 0.02]", 'values = [0], divides = "segments"', "only whole numbers divide"),
    ('[1, 4], divides = "segments"', '[1], divides = "frames"', '"frames" is not one of segments'),
    ("[ablations.parts]", '[ablations.parts]\ndesign = "full"', "is not one of factorial, leave"),
    (
        "[ablations.parts]",
        "[ablations.parts]\nfraction = 2",
        "only a factorial has one, not 'leave-",
    ),
    (
        "[ablations.parts]",
        '[ablations.parts]\ndesign = "factorial"\nfraction = 2',
        "2 leaves too few rows to tell 2 components apart, or is no power of 2; allowed: 1",
    ),
    ('"data/mine"', '["a", "a"]', 'dataset: "a" is there twice; name it once'),
    ("[systems.avst]", "[systems.avts]", "systems.avts: .*avts.*did you mean 'avst'"),
    ("model.heads = 2", 'system = "mcan"', "systems.avst: 'system' is avst already; leave it out"),
    (
        "model.heads = 2",
        "model.headz = 2",
        "systems.avst: unknown field 'model.headz'; did you mean",
    ),
    ("on = { loss.match = true }", "on = { loss.match = false }", "'on' and 'off' set the same"),
    ('needs = ["TSG+"]', 'needs = ["TSG"]', "no component above this one is 'TSG'; did you mean"),
    ('"data.t2" = {', "data.t2 = {", "space.data: write the whole field in quotes"),
    ("[space]", "[space]\nobjectives = []", r"space.objectives: .* stands above its first \[table"),
    ('"data.t2" = {', '"data.t3" = {', "unknown field; did you mean 'data.t2'"),
    ("values = [true, false]", "low = 0, high = 1", "'values' is missing or empty; write values"),
    ("low = 0.05, high = 5, ", "high = 5, ", "'low' is missing; write low and high, or values"),
    ("low = 0.05, high = 5", "low = 5, high = 5", "low = 5.0 is not below high = 5.0"),
    ("low = 0.05, high = 5", "low = 0.0, high = 5", "low: 0.0 has no logarithm"),
    ("low = 16, high = 64", "low = 16.5, high = 64", "optimiser.batch_size = 16.5 is not a whole"),
    ("log = true", "log = 1", "log: 1 is not true or false"),
    (
        "needs = { loss.match = true }",
        "needs = { model.tau = 0.1 }",
        "no knob above this one is 'm",
    ),
    ("values = [true, false]", "values = [false]", "needs: 'loss.match' is never true in this sp"),
    ('sentence = "A higher', 'sentense = "A higher', "claims.mine: 'sentence' is missing"),
    ("margin = 0.5", f"margin = {10**400}", "margin: 1000.* is not finite"),
    ("model.tau = 0.03", f"model.tau = {10**400}", "model.tau = 1000.* is not finite"),
    ("margin = 0.5", "margin = 0", "margin: 0.0 is not above 0"),
    ("margin = 0.5", 'expects = "better"', '"better" is not one of greater, same'),
    ('plus = "mine: τ above"', 'plus = "mine: above"', "no row is 'mine: above'; .*did you mean"),
    ('plus = "mine: τ above", ', "", "'plus' is missing; write plus = \"table2: TASS\""),
    (
        'minus = ["mine: as it is"',
        'scale = -1, minus = ["mine: as it is"',
        "exchange plus and minus",
    ),
    ('minus = ["mine: as it is"', 'column = "al", minus = ["mine: as it is"', "did you mean 'all'"),
    ("[claims.mine]", "[claims.match-loss]", "two claims have the key 'match-loss'"),
    ("[grids.both]", "[grids.mine]", "two tables have the key 'mine'; give one of them another"),
    ('minus = "mine: theirs"', 'minus = "mine: τ above"', "not all of its rows have a published"),
    ("printed = 10.0", "", "slips: 'printed' is missing"),
]


@pytest.mark.parametrize(("stands", "written", "message"), BAD)
def test_mistake_is_told_with_its_place_and_cure(stands, written, message):
    assert stands in MINE
    with pytest.raises(ConfigError, match=message) as caught:
        read(MINE.replace(stands, written, 1))
    assert str(caught.value).startswith("my.toml: ")


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


FUZZ = int(os.environ.get("TASS_FUZZ", "400"))
TEXTS = [MINE, document_text(), *map(document_text, BUILT_IN)]
SEEDS = [tomllib.loads(MINE), *(describe(expand(load(name))) for name in BUILT_IN)]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["model.tau", "table2", "mine: as it is", "segments", "published only"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def places(value, path=()):
    """Yield the path of everything inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


@given(st.data())
@settings(max_examples=FUZZ)
def test_any_document_is_read_or_refused_in_words(data):
    document = copy.deepcopy(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(list(places(document)) or [("x",)]))
        part = document
        for key in path:
            part = part[key]
        change = data.draw(st.sampled_from(["remove", "replace", "add"]))
        if change == "remove" and last in part if isinstance(part, dict) else change == "remove":
            del part[last]
        elif change == "add" and isinstance(part, dict):
            part[data.draw(st.text(max_size=8))] = data.draw(ANYTHING)
        else:
            part[last] = data.draw(ANYTHING)
    with contextlib.suppress(ConfigError):
        sweep = parse_sweep("my.toml", document, "my")
        assert parse_sweep("again", describe(sweep), "my") == expand(sweep)


@given(st.data())
@settings(max_examples=FUZZ, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused_in_words(tmp_path, data):
    text = data.draw(st.sampled_from(TEXTS)).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.integers(0, len(text)))
        last = min(len(text), first + data.draw(st.integers(0, 80)))
        put = data.draw(
            st.sampled_from([b"", b"[", b"]", b"{", b'"', b"=", b"\n", b".", b"1e999"])
            | st.just(text[first:last] * 2)
            | st.binary(max_size=4)
        )
        text = text[:first] + put + text[last:]
    path = tmp_path / "my.toml"
    path.write_bytes(text)
    refusal = f"{path}: "
    try:
        load(path)
    except ConfigError as error:
        refusal = str(error)
    assert refusal.startswith(f"{path}: ")


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
