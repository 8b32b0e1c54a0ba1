"""Every mistake in a document is told with its place and its cure.

``TASS_FUZZ=10000`` draws that many mutated documents instead of some hundreds.
"""

import contextlib
import copy
import os
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.describe import describe
from search_spaces.expand import expand
from search_spaces.load import BUILT_IN, document_text, load, parse_sweep
from tass_core.errors import ConfigError
from tests.search_spaces.test_load import MINE, read

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
    (', minus = ["mine: as it is", "table2: TASS"]', "", "'minus' is missing; write minus = "),
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
