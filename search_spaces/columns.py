"""The columns of tables: one record says all that a column is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tass_core.data.folder.description import SPLITS
from tass_core.data.music_avqa.vocabulary import AVERAGES, QUESTION_TYPES

TRUTH = "ground/"
"""What the metrics begin with that take a dataset which knows where and when the answer is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, whatever the table."""

    key: str
    group: str
    """The heading above the column's own, as Tables 1, 2 and 7 print it; may be empty."""
    name: str
    metric: str
    """The MLflow metric behind it."""
    types: tuple[str, ...] = ()
    """The question types an accuracy is over; empty for what is no accuracy."""
    attention: str | None = None
    """The metric that a run has when its network has the attention that a grounding score is
    about; without it there is no score, and none is missing."""
    counted: bool = False
    """Counted, not sampled: no interval and no test."""
    lower_is_better: bool = False
    baseline: bool = False
    """What chance reaches: it has no difference and no rank."""
    split: str = "test"
    """The test split that it is measured on."""
    above: str = ""
    """The metric that is subtracted: what chance reaches."""
    signed: bool = False
    """A row by itself may be above 0 or below: a claim can be about one row."""

    @property
    def truth(self) -> bool:
        """Whether it is about where and when the answer is."""
        return self.metric.removeprefix(f"test/{self.split}/").startswith(TRUTH)

    @property
    def label(self) -> str:
        """The column's one-line heading, such as ``Audio Avg.``."""
        return f"{self.group} {self.name}".strip()


class _Columns(dict[str, Column]):
    def __missing__(self, key: str) -> Column:
        """Return a column of a dataset or of a further test, such as ``music-avqa: all`` and
        ``unseen-pictures/all``; any other unknown key is an MLflow metric under its own name."""
        dataset, _, plain = key.rpartition(": ")
        if dataset:
            return replace(self[plain], key=key, group=dataset, name=self[plain].label)
        split, _, plain = key.partition("/")
        if split in SPLITS or plain not in self:
            return Column(key, "", key, key)
        column, group = self[plain], split.replace("-", " ").capitalize()
        metric, above = (
            name and f"test/{split}/{name.removeprefix('test/')}"
            for name in (column.metric, column.above)
        )
        found = replace(column, key=key, group=group, name=column.label, split=split)
        return replace(found, metric=metric, above=above)


def _accuracy(key: str, group: str, name: str) -> Column:
    return Column(key, group, name, f"test/{key}", AVERAGES.get(key, (key,)))


def _gain(key: str, group: str, name: str) -> Column:
    return Column(f"{key}_gain", group, name, key, above=f"{key}_uniform", signed=True)


def _score(key: str, group: str, name: str, *, baseline: bool = False) -> Column:
    attention = f"val/{key.removeprefix('ground/').removesuffix('_uniform')}_entropy"
    return Column(key, group, name, key, attention=attention, counted=baseline, baseline=baseline)


COLUMNS: Mapping[str, Column] = _Columns(
    (column.key, column)
    for column in (
        _accuracy("a_count", "Audio", "Count."),
        _accuracy("a_comp", "Audio", "Comp."),
        _accuracy("a_avg", "Audio", "Avg."),
        _accuracy("v_count", "Visual", "Count."),
        _accuracy("v_loc", "Visual", "Loc."),
        _accuracy("v_avg", "Visual", "Avg."),
        _accuracy("av_exist", "Audio-Visual", "Exist."),
        _accuracy("av_loc", "Audio-Visual", "Loc."),
        _accuracy("av_count", "Audio-Visual", "Count."),
        _accuracy("av_comp", "Audio-Visual", "Comp."),
        _accuracy("av_temp", "Audio-Visual", "Temp."),
        _accuracy("av_avg", "Audio-Visual", "Avg."),
        _accuracy("all", "All", "Avg."),
        Column(
            *("params_m", "Trainable", "Param. (M)", "params_m"), counted=True, lower_is_better=True
        ),
        _score("ground/spatial", "TSG+", "Pointing game"),
        _score("ground/spatial_uniform", "TSG+", "Chance", baseline=True),
        _score("ground/temporal", "JTG", "Weight on truth"),
        _score("ground/temporal_uniform", "JTG", "Even weights", baseline=True),
        _gain("ground/spatial", "TSG+", "Pointing game over chance"),
        _gain("ground/temporal", "JTG", "Weight on truth over even weights"),
        Column("test/asynchrony", "JTG", "Asynchrony", "test/asynchrony"),
        Column("test/audio_focus", "JTG", "Sound for sound", "test/audio_focus", signed=True),
    )
)
"""Every known column by its key, in the order of Tables 1 and 2."""

PAPER_COUNTS: Mapping[str, int] = dict(
    zip(QUESTION_TYPES, (1017, 594, 1197, 1225, 988, 920, 1265, 1101, 822), strict=True)
)
"""Test questions by type behind the paper's tables: the updated test file of MUSIC-AVQA."""
