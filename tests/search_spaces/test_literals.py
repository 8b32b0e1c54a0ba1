"""The documents say what the literals said."""

import pytest

from search_spaces import claims, spaces, sweeps, tables
from search_spaces.document import Choice
from search_spaces.expand import expand
from search_spaces.load import BUILT_IN, load, paper_claims, paper_tables
from tass_core.config import FIELDS


def same_table(old, new):
    assert (old.key, old.number, old.title, old.columns) == (
        new.key,
        new.number,
        new.title,
        new.columns,
    )
    assert [(r.name, r.overrides, dict(r.published)) for r in old.rows] == [
        (r.name, r.set, dict(r.published)) for r in new.rows
    ]


def test_tables():
    for old, new in zip(tables.TABLES, paper_tables(), strict=True):
        same_table(old, new)


def same_contrast(old, new):
    assert old.published() == pytest.approx(new.published)
    assert (old.name, old.column) == (new.name, new.column)
    assert sorted((t.weight, t.table, t.row) for t in old.terms) == sorted(new.terms)


def test_claims():
    new_claims, new_slips = paper_claims()
    for old, new in zip(claims.CLAIMS, new_claims, strict=True):
        assert (old.key, old.section, old.sentence, old.kind, old.remark) == (
            new.key,
            new.section,
            new.sentence,
            new.expects,
            new.remark,
        )
        assert new.margin == claims.MARGIN
        for one, other in zip(old.contrasts, new.contrasts, strict=True):
            same_contrast(one, other)
    for old, new in zip(claims.SLIPS, new_slips, strict=True):
        assert (old.section, old.sentence, old.printed, old.remark) == (
            new.section,
            new.sentence,
            new.printed,
            new.remark,
        )
        same_contrast(old.contrast, new.contrast)


def test_sweeps():
    assert list(sweeps.SWEEPS) == list(BUILT_IN)
    for segments in (60, 12, 7, 10):
        for name, old in sweeps.SWEEPS.items():
            new = expand(load(name), segments)
            assert old.purpose == new.purpose
            for one, other in zip(sweeps.choose_tables(old, (), segments), new.tables, strict=True):
                same_table(one, other)
            space = spaces.fit_space(old.space or (), segments)
            for knob, other in zip(space, new.space, strict=True):
                assert (knob.field, dict(knob.needs)) == (other.field, dict(other.needs))
                if isinstance(other, Choice):
                    assert knob.values == other.values
                    assert knob.structural is not FIELDS[knob.field].free
                else:
                    assert (knob.low, knob.high, knob.log) == (other.low, other.high, other.log)
