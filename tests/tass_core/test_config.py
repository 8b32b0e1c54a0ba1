"""Configs: defaults, overrides, messages, canonical form and hash."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tass_core.config import DataConfig, OptimiserConfig, TrialConfig, read_config
from tass_core.errors import ConfigError
from tass_core.systems.tass.config import ORDERINGS, TassLoss, TassModel

PAPER = TrialConfig()


def test_the_default_is_the_papers_setting():
    assert (PAPER.model.tau, PAPER.loss.lambda_s, PAPER.data.t2) == (0.025, 0.5, 6)
    optimiser = PAPER.optimiser
    assert (optimiser.learning_rate, optimiser.step_size, optimiser.gamma) == (2e-4, 12, 0.1)
    assert (optimiser.epochs, optimiser.batch_size, PAPER.model.width) == (30, 64, 512)


def test_every_field_is_documented():
    import ast
    import inspect

    for group in (TassModel, TassLoss, DataConfig, OptimiserConfig):
        body = ast.parse(inspect.getsource(group)).body[0].body
        for statement, following in zip(body, [*body[1:], None], strict=True):
            if isinstance(statement, ast.AnnAssign):
                assert isinstance(following, ast.Expr), statement.target.id
                assert isinstance(following.value, ast.Constant)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.tou=1", "unknown field 'model.tou'; did you mean 'model.tau'?"),
        ("tau=1", "did you mean 'model.tau'?"),
        ("model.tau", "not of the form key=value"),
        ("model.tau=high", "model.tau = 'high' is not a number"),
        ("optimiser.epochs=1.5", "optimiser.epochs = '1.5' is not a whole number"),
        ("loss.match=perhaps", "loss.match = 'perhaps' is not a switch; allowed: true, false"),
        ("model.tau=-0.1", "model.tau = -0.1 is out of range; allowed: at least 0"),
        ("model.tau=nan", "model.tau = nan is out of range"),
        ("model.tau=inf", "model.tau = inf is out of range"),
        ("loss.lambda_s=-1", "loss.lambda_s = -1.0 is out of range"),
        ("data.t2=0", "data.t2 = 0 is out of range; allowed: at least 1"),
        ("model.dropout=1", "model.dropout = 1.0 is out of range; allowed: at least 0 and below 1"),
        ("optimiser.gamma=0", "optimiser.gamma = 0.0 is out of range; allowed: above 0"),
        ("optimiser.learning_rate=0", "optimiser.learning_rate = 0.0 is out of range"),
        ("model.merge=mull", "not one of auto, add, mul, max; did you mean 'mul'?"),
        ("model.encoder=clop", "did you mean 'clip'?"),
        ("model.ordering=il_va", "did you mean 'il-va'?"),
        ("model.width=100", "must be a multiple of twice the heads, for instance 96"),
    ],
)
def test_a_bad_override_names_field_value_and_cure(override, message):
    with pytest.raises(ConfigError) as caught:
        PAPER.with_overrides([override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model.target_aware": False, "model.merge": "mul"}, "needs model.target_aware = true"),
        (
            {"model.spatial_grounding": False, "model.merge": "add"},
            "needs model.spatial_grounding = true",
        ),
        (
            {"model.temporal_grounding": False, "model.structure": "dual"},
            "needs model.temporal_grounding = true",
        ),
        ({"model.init_from": "match", "loss.match": False}, "needs the match task"),
        ({"model.init_from": "match", "loss.lambda_s": 0.0}, "needs the match task"),
    ],
)
def test_an_impossible_combination_says_what_it_needs(values, message):
    with pytest.raises(ConfigError) as caught:
        PAPER.with_values(values)
    assert message in str(caught.value)


def test_a_value_of_the_wrong_type_is_refused_at_construction():
    with pytest.raises(ConfigError, match=r"optimiser\.epochs = '3' is not a whole number"):
        TrialConfig(optimiser=OptimiserConfig(epochs="3"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"model\.target_aware = 1 is not true or false"):
        TrialConfig(model=TassModel(target_aware=1))  # type: ignore[arg-type]


def test_configs_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PAPER.model.tau = 0.1  # type: ignore[misc]


SAME = [
    ({"loss.lambda_s": 0.0}, {"loss.match": False}),
    ({"model.target_aware": False, "model.tau": 0.5}, {"model.target_aware": False}),
    ({"loss.match": False, "loss.lambda_s": 0.9}, {"loss.match": False}),
    ({"model.merge": "add"}, {}),
    ({"loss.cms": "none", "loss.renormalise": False}, {"loss.cms": "none"}),
    ({"model.spatial_grounding": False, "model.tau": 0.1}, {"model.spatial_grounding": False}),
    ({"model.spatial_grounding": False, "loss.match": False}, {"model.spatial_grounding": False}),
    (
        {"model.temporal_grounding": False, "loss.cms": "none", "model.ordering": "cat-av"},
        {"model.temporal_grounding": False},
    ),
    ({"model.structure": "dual", "model.ordering": "cat-av"}, {"model.structure": "dual"}),
    ({"model.structure": "dual", "model.position": "learned"}, {"model.structure": "dual"}),
    *(({"model.ordering": ordering}, {}) for ordering in ORDERINGS),
    ({"data.t2": 1, "data.pooling": "stride"}, {"data.t2": 1}),
    ({"optimiser.epochs": 10, "optimiser.gamma": 0.5}, {"optimiser.epochs": 10}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_function_has_one_hash(one, other):
    assert PAPER.with_values(one).hash() == PAPER.with_values(other).hash()


def test_a_variant_without_attention_has_a_hash_at_any_width():
    narrow = PAPER.with_values({"model.width": 20, "model.heads": 2})
    without = narrow.replace("model.temporal_grounding", False)
    assert without.hash() == without.replace("model.heads", 1).hash() != narrow.hash()


@pytest.mark.parametrize(
    ("base", "row", "given_up"),
    [
        ({"model.merge": "mul"}, {"model.target_aware": False}, "model.merge"),
        ({"model.merge": "max"}, {"model.spatial_grounding": False}, "model.merge"),
        ({"model.structure": "dual"}, {"model.temporal_grounding": False}, "model.structure"),
        ({"model.init_from": "match"}, {"loss.match": False}, "model.init_from"),
    ],
)
def test_a_row_varies_a_base_that_it_contradicts(base, row, given_up):
    config = PAPER.with_values(base)
    with pytest.raises(ConfigError):
        config.with_values(row)
    varied = config.vary(row)
    assert varied.flat()[given_up] == PAPER.flat()[given_up]
    assert varied.hash() == PAPER.with_values(row).hash()


def test_a_row_that_contradicts_itself_is_refused():
    with pytest.raises(ConfigError, match=r"needs model\.target_aware = true"):
        PAPER.vary({"model.target_aware": False, "model.merge": "mul"})


@pytest.mark.parametrize(
    "change",
    [
        {"model.tau": 0.02},
        {"model.merge": "mul"},
        {"model.position": "learned"},
        {"model.position": "learned", "model.ordering": "il-av"},
        {"loss.cms": "legacy"},
        {"loss.renormalise": False},
        {"data.pooling": "stride"},
        {"optimiser.batch_size": 32},
        {"optimiser.gamma": 0.5},
    ],
)
def test_another_function_has_another_hash(change):
    assert PAPER.with_values(change).hash() != PAPER.hash()


fields = st.fixed_dictionaries(
    {},
    optional={
        "model.tau": st.floats(0, 1),
        "model.target_aware": st.booleans(),
        "model.temporal_grounding": st.booleans(),
        "loss.lambda_s": st.floats(0, 10),
        "loss.cms": st.sampled_from(["js", "legacy", "none"]),
        "data.t2": st.integers(1, 60),
        "optimiser.learning_rate": st.floats(1e-6, 1),
    },
)


@given(fields)
def test_json_and_overrides_bring_every_config_back(values):
    config = PAPER.with_values(values)
    assert TrialConfig.from_json(config.to_json()) == config
    assert PAPER.with_overrides(f"{k}={v}" for k, v in values.items()) == config
    assert config.canonical().canonical() == config.canonical()
    assert config.canonical().hash() == config.hash()


def test_a_config_file_with_a_mistake_names_the_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"model": {"tou": 1}}')
    with pytest.raises(ConfigError, match=r"mine\.json: unknown field 'model\.tou'"):
        read_config(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"mine\.json: not JSON: .* line 1"):
        read_config(path)
    with pytest.raises(ConfigError, match=r"absent\.json: cannot be read"):
        read_config(tmp_path / "absent.json")
