"""From the tables of a TOML document to tables of results, grids, ablations, spaces and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

from search_spaces.columns import COLUMNS
from search_spaces.document import (
    Ablation,
    Axis,
    Choice,
    Claim,
    Component,
    Contrast,
    Design,
    Expects,
    Grid,
    Knob,
    Place,
    Published,
    Range,
    Row,
    Scalar,
    Settings,
    Slip,
    Space,
    Table,
    TestFile,
)
from search_spaces.fractions import fractions
from search_spaces.section import Section, show
from tass_core.config import known_fields
from tass_core.errors import nearest

AVERAGES = ("a_avg", "v_avg", "av_avg", "all")
"""Columns of grids and ablations that name none."""
MOST_ROWS = 1024
"""Rows of a factorial beyond which somebody made a mistake."""
PUBLISHED_ONLY = "published only"
"""What stands for the settings of a row that is printed and never trained."""
NO_NUMBER = "-"
"""What stands where a row has no published number."""


def parse_systems(section: Section) -> Mapping[str, Settings]:
    """Return what every row of a system sets, by the system's name."""
    found = {}
    for name in section.names():
        section.as_value(name, "system", name)
        given = section.take(name)
        if isinstance(given, dict) and "system" in given:
            raise section.error(name, f"'system' is {name} already; leave it out")
        given = {"system": name, **given} if isinstance(given, dict) else given
        found[name] = section.as_settings(name, given)
    return found


def parse_table(key: str, section: Section) -> Table:
    """Return a table of rows that are written out."""
    columns = _columns(section)
    settings = _rows(section.section("rows"))
    published = _published(section.section("published"), columns, list(settings))
    notes = section.section("notes")
    rows = []
    for name, changes in settings.items():
        numbers, test_file = published.get(name, ({}, None))
        if changes is None and not numbers:
            raise section.error(
                "rows", f"'{name}' is published only, but no numbers of it are below [published]"
            )
        rows.append(Row(name, changes, numbers, test_file, notes.text(name, "")))
    reference = section.text("reference", "") or None
    if reference is not None:
        section.one_of("reference", reference, [row.name for row in rows if row.set is not None])
    table = Table(
        key, section.text("number", key), section.text("title"), columns, tuple(rows), reference
    )
    notes.end()
    section.end()
    return table


def parse_grid(key: str, section: Section) -> Grid:
    """Return a grid."""
    axes = tuple(_axis(*item) for item in section.section("axes").sections())
    if not axes:
        raise section.error(
            "",
            "the grid has no axes; write for instance "
            'axes."τ" = { field = "model.tau", values = [0.0, 0.02] }',
        )
    grid = Grid(key, section.text("title"), _columns(section, AVERAGES), axes)
    section.end()
    return grid


def parse_ablation(key: str, section: Section) -> Ablation:
    """Return an ablation."""
    components: dict[str, Component] = {}
    for name, part in section.section("components").sections():
        needs = part.texts("needs")
        for need in needs:
            if need not in components:
                near = nearest(need, components)
                raise part.error("needs", f"no component above this one is '{need}'{near}")
        on, off = part.settings("on"), part.settings("off")
        if on == off:
            raise part.error("", "'on' and 'off' set the same; write on = {...}, off = {...}")
        components[name] = Component(name, on, off, needs)
        part.end()
    if not components:
        raise section.error(
            "",
            "the ablation has no components; write for instance "
            'components."L_s" = { on = { loss.match = true }, off = { loss.match = false } }',
        )
    ablation = Ablation(
        key=key,
        title=section.text("title"),
        columns=_columns(section, AVERAGES),
        design=section.word("design", get_args(Design)) or "leave-one-out",
        components=tuple(components.values()),
        fraction=section.whole("fraction", 1) or 1,
        set=section.settings("set"),
    )
    if ablation.design == "factorial" and 2 ** len(components) > MOST_ROWS:
        raise section.error(
            "components", f"a factorial of {len(components)} has too many rows; take fewer"
        )
    if ablation.fraction > 1 and ablation.design != "factorial":
        raise section.error("fraction", f"only a factorial has one, not '{ablation.design}'")
    if ablation.fraction not in fractions(len(components)):
        allowed = ", ".join(map(str, fractions(len(components))))
        raise section.error(
            "fraction",
            f"{ablation.fraction} leaves too few rows to tell {len(components)} components apart, "
            f"or is no power of 2; allowed: {allowed}",
        )
    section.end()
    return ablation


def parse_space(section: Section) -> Space:
    """Return a space's knobs, in the order in which they stand."""
    knobs: dict[str, Knob] = {}
    for name in section.names():
        if name not in known_fields(section.system) and "." not in name:
            raise section.error(
                name,
                'write the whole field in quotes, as "model.tau": knobs keep their order; what is '
                "about the file, such as objectives, stands above its first [table]",
            )
        knobs[name] = _knob(name, section.section(name), knobs)
    return tuple(knobs.values())


def parse_claims(section: Section, rows: Published, margin: float) -> tuple[Claim, ...]:
    """Return claims about ``rows``, which are all that there are; ``margin`` if they name none."""
    return tuple(_claim(key, part, rows, margin) for key, part in section.sections())


def parse_margin(section: Section, default: float) -> float:
    """Return the smallest difference worth naming, which is above 0."""
    margin = section.number("margin", default)
    if margin <= 0:
        raise section.error("margin", f"{margin} is not above 0")
    return margin


def parse_slips(sections: Sequence[Section], rows: Published) -> tuple[Slip, ...]:
    """Return slips about ``rows``, which are all that there are."""
    return tuple(_slip(section, rows) for section in sections)


def _columns(section: Section, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    columns = section.texts("columns") or default
    if not columns:
        raise section.error("", 'the table has no columns; write columns = ["a_avg", "all"]')
    return tuple(_column(section, "columns", column) for column in columns)


def _column(section: Section, key: str, column: str) -> str:
    if column not in COLUMNS and "/" not in column:
        raise section.error(
            key,
            f"{show(column)} is not one of {', '.join(COLUMNS)}, nor a metric such as val/all"
            f"{nearest(column, COLUMNS)}",
        )
    return column


def _rows(section: Section) -> dict[str, Settings | None]:
    """Return what each row sets; None for a row that is published only."""
    found: dict[str, Settings | None] = {}
    for name in section.names():
        value = section.take(name)
        if isinstance(value, str):
            section.one_of(name, value, [PUBLISHED_ONLY])
            found[name] = None
        else:
            found[name] = section.as_settings(name, value)
    if not found:
        raise section.error("", 'there are no rows; write "my row" = { model.tau = 0.02 }')
    return found


def _published(
    section: Section, columns: tuple[str, ...], rows: Sequence[str]
) -> dict[str, tuple[Mapping[str, float], TestFile | None]]:
    """Return each row's published numbers and the test file that they are about."""
    found: dict[str, tuple[Mapping[str, float], TestFile | None]] = {}
    for file in section.names():
        test_file: TestFile = section.one_of(file, file, get_args(TestFile))
        part = section.section(file)
        for name in part.names():
            part.one_of(name, name, rows)
            if name in found:
                raise part.error(name, f"the row also has numbers below '{found[name][1]}'")
            values = part.items(name)
            if len(values) != len(columns):
                raise part.error(
                    name,
                    f"{len(values)} numbers for {len(columns)} columns ({', '.join(columns)}); "
                    f'write "{NO_NUMBER}" where there is none',
                )
            numbers = {
                column: part.as_number(name, value)
                for column, value in zip(columns, values, strict=True)
                if value != NO_NUMBER
            }
            found[name] = numbers, test_file
    return found


def _axis(label: str, section: Section) -> Axis:
    field = section.text("field")
    axis = Axis(label, field, _values(section, field), _divides(section, field))
    section.end()
    return axis


def _knob(name: str, section: Section, before: Mapping[str, Knob]) -> Knob:
    known = known_fields(section.system)
    if name not in known:
        raise section.error("", f"unknown field{nearest(name, known)}")
    needs = section.settings("needs")
    for need, value in needs.items():
        if need not in before:
            near = nearest(need, before)
            raise section.error("needs", f"no knob above this one is '{need}'{near}")
        knob = before[need]
        if isinstance(knob, Choice) and value not in knob.values:
            raise section.error("needs", f"'{need}' is never {show(value)} in this space")
    found: Knob
    if known[name].kind in (bool, str) or "values" in section.names():
        found = Choice(name, _values(section, name), needs, _divides(section, name))
    else:
        found = _range(name, section, needs)
    section.end()
    return found


def _range(name: str, section: Section, needs: Settings) -> Range:
    low, high = (_bound(name, section, key) for key in ("low", "high"))
    log = section.flag("log")
    if low >= high:
        raise section.error("", f"low = {low} is not below high = {high}")
    if log and low <= 0:
        raise section.error("low", f"{low} has no logarithm; take a low above 0, or no log")
    return Range(name, low, high, log, needs)


def _bound(name: str, section: Section, key: str) -> float:
    value = section.take(key)
    if value is None:
        raise section.error("", f"'{key}' is missing; write low and high, or values = [...]")
    section.as_number(key, value)
    bound = section.as_value(key, name, value)
    assert isinstance(bound, int | float)
    return bound


def _values(section: Section, field: str) -> tuple[Scalar, ...]:
    found = tuple(section.as_value("values", field, value) for value in section.items("values"))
    if not found:
        raise section.error("", "'values' is missing or empty; write values = [...]")
    return section.different("values", found)


def _divides(section: Section, field: str) -> Literal["segments"] | None:
    if section.word("divides", ("segments",)) is None:
        return None
    if known_fields(section.system)[field].kind is not int:
        raise section.error("divides", f"only whole numbers divide, and '{field}' is none")
    return "segments"


def _claim(key: str, section: Section, rows: Published, margin: float) -> Claim:
    contrasts = []
    for name, part in section.section("contrasts").sections():
        contrasts.append(_contrast(name, part, rows))
        part.end()
    if not contrasts:
        raise section.error(
            "",
            "the claim has no contrasts; write for instance "
            'contrasts."mine" = { plus = "mine: with it", minus = "mine: without it" }',
        )
    claim = Claim(
        key=key,
        section=section.text("section", ""),
        sentence=section.text("sentence"),
        expects=section.word("expects", get_args(Expects)) or "greater",
        contrasts=tuple(contrasts),
        margin=parse_margin(section, margin),
        remark=section.text("remark", ""),
    )
    section.end()
    return claim


def _slip(section: Section, rows: Published) -> Slip:
    contrast = _contrast(section.text("name"), section, rows)
    if contrast.published is None:
        raise section.error("", f"not all of its rows have a published number of {contrast.column}")
    slip = Slip(
        section=section.text("section", ""),
        sentence=section.text("sentence"),
        printed=section.number("printed"),
        computed=contrast.published,
        contrast=contrast,
        remark=section.text("remark", ""),
    )
    section.end()
    return slip


def _contrast(name: str, section: Section, rows: Published) -> Contrast:
    column = _column(section, "column", section.text("column", "all"))
    plus = _places(section, "plus", rows)
    minus = _places(section, "minus", rows, needed=not COLUMNS[column].signed)
    scale = section.number("scale", 1.0)
    if scale <= 0:
        raise section.error("scale", f"{scale} is not above 0; exchange plus and minus")
    contrast = Contrast(name, plus, minus, column, scale)
    numbers = [rows[term.place].get(column) for term in contrast.terms]
    known = tuple(number for number in numbers if number is not None)
    return replace(contrast, numbers=known) if len(known) == len(numbers) else contrast


def _places(
    section: Section, key: str, rows: Published, *, needed: bool = True
) -> tuple[Place, ...]:
    """Return rows named as "table: row": one, or a list."""
    texts = section.texts(key, single=True)
    if needed and not texts:
        raise section.error("", f"'{key}' is missing; write {key} = \"table2: TASS\"")
    found = []
    for text in texts:
        table, _, row = text.partition(": ")
        if Place(table, row) not in rows:
            near = nearest(text, map(str, rows))
            raise section.error(key, f"no row is '{text}'; write \"table: row\"{near}")
        found.append(Place(table, row))
    return tuple(found)
