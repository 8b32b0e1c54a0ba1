"""The columns of the paper's tables: their keys, their labels and their groups."""

from __future__ import annotations

from collections.abc import Mapping

from tass_core.data.music_avqa.vocabulary import AVERAGES

LABELS: Mapping[str, tuple[str, str]] = {
    "a_count": ("Audio", "Count."),
    "a_comp": ("Audio", "Comp."),
    "a_avg": ("Audio", "Avg."),
    "v_count": ("Visual", "Count."),
    "v_loc": ("Visual", "Loc."),
    "v_avg": ("Visual", "Avg."),
    "av_exist": ("Audio-Visual", "Exist."),
    "av_loc": ("Audio-Visual", "Loc."),
    "av_count": ("Audio-Visual", "Count."),
    "av_comp": ("Audio-Visual", "Comp."),
    "av_temp": ("Audio-Visual", "Temp."),
    "av_avg": ("Audio-Visual", "Avg."),
    "all": ("All", "Avg."),
    "params_m": ("Trainable", "Param. (M)"),
    "ground/spatial": ("TSG+", "Pointing game"),
    "ground/spatial_uniform": ("TSG+", "Chance"),
    "ground/temporal": ("JTG", "Weight on truth"),
    "ground/temporal_uniform": ("JTG", "Even weights"),
}
"""Column key -> (group, label within the group), as Tables 1, 2 and 7 print them."""

ACCURACIES = tuple(LABELS)[:13]
"""The nine question types and their averages, in the order of Tables 1 and 2."""

GROUNDING: Mapping[str, str] = {
    "ground/spatial": "model.spatial_grounding",
    "ground/spatial_uniform": "model.spatial_grounding",
    "ground/temporal": "model.temporal_grounding",
    "ground/temporal_uniform": "model.temporal_grounding",
}
"""Grounding scores -> the config field of the module they score; without it there is none."""


def metric(column: str) -> str:
    """Return the MLflow metric behind a column: accuracies are those of the test split."""
    return f"test/{column}" if column in ACCURACIES else column


def label(column: str) -> str:
    """Return a column's one-line label, such as ``Audio Avg.``."""
    group, name = LABELS.get(column, ("", column))
    return f"{group} {name}".strip()


def members(column: str) -> tuple[str, ...]:
    """Return the question types a column covers; a question type covers itself."""
    return AVERAGES.get(column, (column,))
