"""Sweeps from documents: the built-in ones by name, anybody's by file, all by the same rules."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from search_spaces.document import MARGIN, Claim, Place, Slip, Sweep, Table, published_in
from search_spaces.expand import about, expand
from search_spaces.objectives import parse_constraint, parse_objectives
from search_spaces.parse import (
    parse_ablation,
    parse_claims,
    parse_grid,
    parse_margin,
    parse_slips,
    parse_space,
    parse_systems,
    parse_table,
)
from search_spaces.section import Section, show
from tass_core.config import DEFAULT_SYSTEM
from tass_core.errors import ConfigError, nearest
from tass_core.systems import system_places

BUILT_IN = (
    *("ablations", "systems", "systems-native"),
    *("tau", "lambda", "t2", "ordering", "modules", "joint"),
)
"""Names of the built-in sweeps, in the order in which they are listed."""
PAPER = tuple(f"table{number}" for number in range(1, 8))
"""Keys of the paper's tables."""

_HERE = Path(__file__).parent
Part = TypeVar("Part")


def load(source: str | Path) -> Sweep:
    """Return a sweep: a built-in one by its name, or the one that a TOML file describes.

    Raises:
        ConfigError: there is no such sweep or file, or a mistake in it.
    """
    if source in BUILT_IN:
        return _built_in(str(source))
    path = Path(source)
    if path.suffix != ".toml":
        raise ConfigError(
            f"sweep '{source}' is not one of {', '.join(BUILT_IN)}, nor a file that ends in .toml"
            f"{nearest(str(source), BUILT_IN)}"
        )
    sweep = _parse_file(path, str(source), path.stem)
    own = [t.key for t in sweep.tables if t.key in PAPER and not _is_the_papers(t)]
    own += [grid.key for grid in sweep.grids] + [part.key for part in sweep.ablations]
    for key in own:
        if key in PAPER:
            raise ConfigError(
                f"{source}: the paper has a table with the key '{key}'; give yours another, or "
                f'fill the paper\'s with paper = ["{key}"]'
            )
    return sweep


def document_text(name: str | None = None) -> str:
    """Return the text of a built-in sweep's document, or of an example that has every part."""
    path = "example.toml" if name is None else f"sweeps/{name}.toml"
    return (_HERE / path).read_text(encoding="utf-8")


@cache
def _built_in(name: str) -> Sweep:
    return _parse_file(_HERE / "sweeps" / f"{name}.toml", f"sweeps/{name}.toml", name)


@cache
def paper_tables() -> tuple[Table, ...]:
    """Return the paper's Tables 1 to 7."""
    return tuple(parse_table(key, Section(*_packaged(f"paper/{key}.toml"))) for key in PAPER)


@cache
def paper_claims() -> tuple[tuple[Claim, ...], tuple[Slip, ...]]:
    """Return what the paper claims, and where its text and its tables disagree."""
    top = Section(*_packaged("paper/claims.toml"))
    found = _claims(top, paper_tables(), MARGIN)
    top.end()
    return found


@cache
def built_in_tables() -> tuple[Table, ...]:
    """Return every table that a built-in sweep fills, the paper's first."""
    tables = {table.key: table for name in BUILT_IN for table in expand(load(name)).tables}
    return tuple(tables.values())


def parse_sweep(file: str, data: Mapping[str, Any], name: str) -> Sweep:
    """Return the sweep that a document's content describes.

    Args:
        file: what messages call the document.
        data: the content, as TOML or JSON give it.
        name: the sweep's name, unless the document says another.

    Raises:
        ConfigError: a mistake in it, with its place, what is allowed and what to do.
    """
    top = Section(file, dict(data))
    name = top.text("name", name)
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise top.error("name", f"{show(name)} may hold letters, digits, '-', '_' and '.' only")
    paper = [top.one_of("paper", key, PAPER) for key in top.texts("paper")]
    trains = [top.one_of("trains", key, system_places()) for key in top.texts("trains")]
    base, epochs = top.settings("base"), top.whole("epochs", 1)
    systems = parse_systems(top.section("systems"))
    top.system = str(base.get("system", top.system))
    sweep = Sweep(
        name=name,
        purpose=top.text("purpose", name),
        tables=(
            *(_of_systems(paper_tables()[PAPER.index(key)], trains) for key in paper),
            *(parse_table(*item) for item in _tables(top)),
        ),
        grids=tuple(parse_grid(*item) for item in top.section("grids").sections()),
        ablations=tuple(parse_ablation(*item) for item in top.section("ablations").sections()),
        space=parse_space(top.section("space")),
        base={
            **systems.get(str(base.get("system", DEFAULT_SYSTEM)), {}),
            **base,
            **({} if epochs is None else {"optimiser.epochs": epochs}),
        },
        systems=systems,
        seeds=top.wholes("seeds", 0),
        datasets=top.texts("dataset", single=True),
        budget=top.whole("budget", 1),
        margin=parse_margin(top, MARGIN),
        objectives=_meaning(top, "objectives", parse_objectives),
        constraints=_meaning(
            top, "constraints", lambda texts: tuple(parse_constraint(text) for text in texts)
        ),
    )
    if not (sweep.enumerates or sweep.space):
        raise top.error("", "nothing to train; write paper, tables, grids, ablations or space")
    tables = expand(sweep).tables
    _once(top, "table", [table.key for table in tables])
    claims, slips = _claims(top, (*paper_tables(), *tables), sweep.margin)
    top.end()
    if paper:
        known, mistakes = paper_claims()
        rows = {Place(t.key, row.name) for t in tables for row in t.rows if row.set is not None}
        claims += tuple(
            replace(claim, margin=sweep.margin)
            for claim in known
            if all({*contrast.plus, *contrast.minus} <= rows for contrast in claim.contrasts)
        )
        slips += tuple(slip for slip in mistakes if about([slip.contrast]) <= set(paper))
    _once(top, "claim", [claim.key for claim in claims])
    return replace(sweep, claims=claims, slips=slips)


def _tables(top: Section) -> Iterator[tuple[str, Section]]:
    """Yield the tables that are written out; the paper's own, as plans keep them, are TASS's."""
    for key, section in top.section("tables").sections():
        section.system = DEFAULT_SYSTEM if key in PAPER else section.system
        yield key, section


def _parse_file(path: Path, file: str, name: str) -> Sweep:
    text, data = _read(path, file)
    return replace(parse_sweep(file, data, name), text=text)


def _of_systems(table: Table, systems: Sequence[str]) -> Table:
    """Return a table that trains the rows of some systems, or of all, and prints the others."""
    if not systems:
        return table
    named = [(row, (row.set or {}).get("system", DEFAULT_SYSTEM)) for row in table.rows]
    rows = tuple(row if name in systems else replace(row, set=None) for row, name in named)
    return replace(table, rows=rows)


def _is_the_papers(table: Table) -> bool:
    """Whether a table is the paper's; it may print rows that the paper's trains."""
    known = paper_tables()[PAPER.index(table.key)]
    pairs = zip(table.rows, known.rows, strict=False)
    alike = all(row in (other, replace(other, set=None)) for row, other in pairs)
    return alike and replace(table, rows=known.rows) == known and len(table.rows) == len(known.rows)


def _meaning(top: Section, key: str, parse: Callable[[Sequence[str]], Part]) -> Part:
    """Return what the texts under a key mean."""
    texts = top.texts(key)
    try:
        return parse(texts)
    except ConfigError as error:
        raise top.error(key, str(error)) from None


def _packaged(path: str) -> tuple[str, dict[str, Any]]:
    return path, _read(_HERE / path, path)[1]


def _read(path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Return a TOML file's text and content; ``name`` stands for it in messages."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None


def _claims(
    top: Section, tables: Sequence[Table], margin: float
) -> tuple[tuple[Claim, ...], tuple[Slip, ...]]:
    rows = published_in(tables)
    slips = [Section(top.file, item, "slips") for item in top.items("slips")]
    return parse_claims(top.section("claims"), rows, margin), parse_slips(slips, rows)


def _once(top: Section, what: str, keys: Sequence[str]) -> None:
    twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
    if twice is not None:
        raise top.error("", f"two {what}s have the key '{twice}'; give one of them another")
