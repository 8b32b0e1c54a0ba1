"""Tables 1 to 7 of the paper: every row, what it changes in the full model, and its numbers.

A row's config is the sweep's base config with the row's ``overrides``. Rows of other methods
have none: they are printed, never trained. Numbers are accuracies in percent on the updated
test split of MUSIC-AVQA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search_spaces.spaces import Scalar


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    name: str
    """As the paper prints it."""
    overrides: Mapping[str, Scalar] | None
    """Dotted config field -> value; None for a method that is not trained here."""
    published: Mapping[str, float]
    """Column key -> the paper's number; empty for rows the paper does not have."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the paper, or a sweep in the same form."""

    key: str
    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


_ALL = (
    *("a_count", "a_comp", "a_avg", "v_count", "v_loc", "v_avg"),
    *("av_exist", "av_loc", "av_count", "av_comp", "av_temp", "av_avg", "all"),
)
_AVERAGES = ("a_avg", "v_avg", "av_avg", "all")
_PARAMETERS = ("params_m", "all")


def _numbers(columns: tuple[str, ...], text: str) -> Mapping[str, float]:
    return dict(zip(columns, map(float, text.split()), strict=True))


TABLES: tuple[Table, ...] = (
    Table(
        key="table1",
        number="1",
        title="Comparisons with state-of-the-art methods on MUSIC-AVQA",
        columns=_ALL,
        note="PSTP's columns are probably permuted in the source; its All is from section 4.2.",
        rows=(
            Row(
                "CONVLSTM",
                None,
                _numbers(
                    _ALL,
                    "74.07 68.89 72.15 67.42 54.56 60.94 82.91 50.81 63.03 60.27 51.58 62.24 63.65",
                ),
            ),
            Row(
                "MCAN",
                None,
                _numbers(
                    _ALL,
                    "77.50 55.24 69.25 71.56 70.93 71.24 80.40 54.48 64.91 57.22 47.57 61.58 65.49",
                ),
            ),
            Row(
                "HME",
                None,
                _numbers(
                    _ALL,
                    "74.76 65.36 70.61 67.97 69.46 68.76 80.30 53.18 63.19 62.69 59.83 64.05 66.45",
                ),
            ),
            Row(
                "AVSD",
                None,
                _numbers(
                    _ALL,
                    "72.41 62.46 68.78 66.00 74.53 70.31 80.77 57.93 64.03 62.85 61.07 65.44 67.32",
                ),
            ),
            Row(
                "Pano-AVQA",
                None,
                _numbers(
                    _ALL,
                    "75.71 65.99 72.13 70.51 75.76 73.16 82.09 61.30 65.38 63.67 62.04 66.97 69.53",
                ),
            ),
            Row(
                "AVST",
                None,
                _numbers(
                    _ALL,
                    "77.78 67.17 73.87 73.52 75.27 74.40 82.49 64.24 69.88 64.67 65.82 69.53 71.59",
                ),
            ),
            Row(
                "COCA",
                None,
                _numbers(
                    _ALL,
                    "79.94 67.68 75.42 75.10 75.43 75.23 83.50 66.63 69.72 64.12 65.57 69.96 72.33",
                ),
            ),
            Row(
                "TJSTG",
                None,
                _numbers(
                    _ALL,
                    "80.38 69.87 76.47 76.19 77.55 76.88 82.59 64.24 71.54 66.21 64.84 70.13 73.04",
                ),
            ),
            Row(
                "TASS (ResNet-18 + GloVe)",
                {"model.encoder": "resnet18-glove"},
                _numbers(
                    _ALL,
                    "81.71 70.37 77.53 76.02 78.37 77.21 82.09 66.09 72.73 65.94 65.45 70.70 73.63",
                ),
            ),
            Row(
                "PSTP",
                None,
                _numbers(
                    _ALL,
                    "73.97 65.59 70.91 77.15 77.36 77.26 76.18 71.80 73.23 71.79 69.00 72.57 73.52",
                ),
            ),
            Row(
                "TASS (CLIP)",
                {"model.encoder": "clip"},
                _numbers(
                    _ALL,
                    "83.38 63.13 75.92 80.37 79.51 79.93 82.39 68.91 75.89 64.40 69.22 72.33 74.98",
                ),
            ),
        ),
    ),
    Table(
        key="table2",
        number="2",
        title="Ablation of the modules",
        columns=_ALL,
        rows=(
            Row(
                "w/o T-A",
                {"model.target_aware": False, "model.merge": "auto"},
                _numbers(
                    _ALL,
                    "82.89 63.30 75.67 79.45 78.69 79.07 83.20 66.85 75.34 62.31 69.34 71.55 74.27",
                ),
            ),
            Row(
                "w/o L_s",
                {"loss.match": False},
                _numbers(
                    _ALL,
                    "83.78 63.47 76.29 78.28 74.61 76.42 83.30 63.26 73.99 59.67 64.60 69.25 72.40",
                ),
            ),
            Row(
                "w/o L_cms",
                {"loss.cms": "none"},
                _numbers(
                    _ALL,
                    "83.28 62.79 75.73 80.70 79.02 79.85 81.98 66.30 76.13 62.03 67.64 71.08 74.22",
                ),
            ),
            Row(
                "w/o TSG+",
                {"model.spatial_grounding": False, "model.merge": "auto"},
                _numbers(
                    _ALL,
                    "83.68 64.31 76.54 79.62 77.47 78.53 81.07 65.11 76.21 62.22 67.40 70.70 73.81",
                ),
            ),
            Row(
                "w/o JTG",
                {"model.temporal_grounding": False, "model.structure": "single"},
                _numbers(
                    _ALL,
                    "83.78 62.29 75.85 78.61 78.61 78.61 82.19 67.28 73.68 62.67 66.18 70.58 73.64",
                ),
            ),
            Row(
                "TASS",
                {},
                _numbers(
                    _ALL,
                    "83.38 63.13 75.92 80.37 79.51 79.93 82.39 68.91 75.89 64.40 69.22 72.33 74.98",
                ),
            ),
        ),
    ),
    Table(
        key="table3",
        number="3",
        title="Effect of the pre-processing (mean-pool every T2 segments)",
        columns=_AVERAGES,
        rows=(
            Row(
                "ResNet-18 + GloVe, w/o prep.",
                {"model.encoder": "resnet18-glove", "data.pooling": "stride"},
                _numbers(_AVERAGES, "76.41 77.04 70.09 73.05"),
            ),
            Row(
                "ResNet-18 + GloVe, w/ prep.",
                {"model.encoder": "resnet18-glove", "data.pooling": "mean"},
                _numbers(_AVERAGES, "77.53 77.21 70.70 73.63"),
            ),
            Row(
                "CLIP, w/o prep.",
                {"model.encoder": "clip", "data.pooling": "stride"},
                _numbers(_AVERAGES, "75.48 79.40 71.13 74.09"),
            ),
            Row(
                "CLIP, w/ prep.",
                {"model.encoder": "clip", "data.pooling": "mean"},
                _numbers(_AVERAGES, "75.92 79.93 72.33 74.98"),
            ),
        ),
    ),
    Table(
        key="table4",
        number="4",
        title="Effect of the target-aware process",
        columns=_AVERAGES,
        rows=(
            Row(
                "TSG w/ mul",
                {"model.merge": "mul", "model.tau": 0.02},
                _numbers(_AVERAGES, "75.85 79.77 71.80 74.63"),
            ),
            Row(
                "TSG w/ max",
                {"model.merge": "max"},
                _numbers(_AVERAGES, "76.54 79.81 71.45 74.56"),
            ),
            Row(
                "TSG+ w/ add",
                {"model.merge": "add"},
                _numbers(_AVERAGES, "75.92 79.93 72.33 74.98"),
            ),
        ),
    ),
    Table(
        key="table5",
        number="5",
        title="Impact of τ",
        columns=_AVERAGES,
        rows=(
            Row("τ = 0.000", {"model.tau": 0.0}, _numbers(_AVERAGES, "76.29 79.40 70.96 74.14")),
            Row("τ = 0.005", {"model.tau": 0.005}, _numbers(_AVERAGES, "76.29 79.40 70.96 74.14")),
            Row("τ = 0.020", {"model.tau": 0.02}, _numbers(_AVERAGES, "76.41 80.22 71.04 74.42")),
            Row("τ = 0.025", {"model.tau": 0.025}, _numbers(_AVERAGES, "75.92 79.93 72.33 74.98")),
            Row("τ = 0.030", {"model.tau": 0.03}, _numbers(_AVERAGES, "76.04 80.06 71.02 74.30")),
        ),
    ),
    Table(
        key="table6",
        number="6",
        title="Effect of the single-stream pattern",
        columns=_AVERAGES,
        rows=(
            Row(
                "Cat(A;V)",
                {"model.ordering": "cat-av"},
                _numbers(_AVERAGES, "76.35 79.19 70.66 73.93"),
            ),
            Row(
                "Cat(V;A)",
                {"model.ordering": "cat-va"},
                _numbers(_AVERAGES, "75.61 79.73 71.45 74.38"),
            ),
            Row(
                "IL(A;V)",
                {"model.ordering": "il-av"},
                _numbers(_AVERAGES, "75.67 79.69 71.41 74.36"),
            ),
            Row(
                "IL(V;A)",
                {"model.ordering": "il-va"},
                _numbers(_AVERAGES, "75.92 79.93 72.33 74.98"),
            ),
        ),
    ),
    Table(
        key="table7",
        number="7",
        title="Dual-stream against single-stream",
        columns=_PARAMETERS,
        rows=(
            Row(
                "Dual-stream, w/o L_cms",
                {"model.structure": "dual", "loss.cms": "none"},
                _numbers(_PARAMETERS, "12.5 72.25"),
            ),
            Row(
                "Dual-stream, w/ L_cms",
                {"model.structure": "dual", "loss.cms": "js"},
                _numbers(_PARAMETERS, "12.5 73.68"),
            ),
            Row(
                "Single-stream, w/o L_cms",
                {"model.structure": "single", "loss.cms": "none"},
                _numbers(_PARAMETERS, "10.9 74.22"),
            ),
            Row(
                "Single-stream, w/ L_cms",
                {"model.structure": "single", "loss.cms": "js"},
                _numbers(_PARAMETERS, "10.9 74.98"),
            ),
        ),
    ),
)
