"""A sweep as plain data in the form of its document, to be read back by the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.document import MARGIN, Choice, Claim, Contrast, Knob, Place, Slip, Sweep, Table
from search_spaces.expand import expand
from search_spaces.objectives import ACCURACY
from search_spaces.parse import NO_NUMBER, PUBLISHED_ONLY


def describe(sweep: Sweep) -> dict[str, Any]:
    """Return the sweep's document, every grid and ablation written out as a table."""
    return _filled(
        name=sweep.name,
        purpose=sweep.purpose,
        base=dict(sweep.base),
        seeds=list(sweep.seeds),
        dataset=list(sweep.datasets),
        budget=sweep.budget,
        objectives=[] if _one_objective(sweep) else [it.metric for it in sweep.objectives],
        constraints=list(map(str, sweep.constraints)),
        margin=None if sweep.margin == MARGIN else sweep.margin,
        tables={table.key: _table(table) for table in expand(sweep).tables},
        space=describe_space(sweep.space),
        claims={claim.key: _claim(claim, sweep.margin) for claim in sweep.claims},
        slips=[_slip(slip) for slip in sweep.slips],
    )


def describe_space(space: Sequence[Knob]) -> dict[str, Any]:
    """Return a space's part of the document."""
    return {knob.field: _knob(knob) for knob in space}


def _table(table: Table) -> dict[str, Any]:
    published: dict[str, dict[str, list[float | str]]] = {}
    for row in table.rows:
        if row.test_file is not None:
            numbers = [row.published.get(column, NO_NUMBER) for column in table.columns]
            published.setdefault(row.test_file, {})[row.name] = numbers
    return _filled(
        title=table.title,
        number=table.number,
        columns=list(table.columns),
        reference=table.reference,
        rows={row.name: PUBLISHED_ONLY if row.set is None else dict(row.set) for row in table.rows},
        published=published,
        notes={row.name: row.note for row in table.rows if row.note},
    )


def _knob(knob: Knob) -> dict[str, Any]:
    if isinstance(knob, Choice):
        return _filled(values=list(knob.values), needs=dict(knob.needs), divides=knob.divides)
    bounds = {"low": knob.low, "high": knob.high}
    return bounds | _filled(log=knob.log, needs=dict(knob.needs))


def _claim(claim: Claim, margin: float) -> dict[str, Any]:
    return _filled(
        section=claim.section,
        sentence=claim.sentence,
        expects=claim.expects,
        margin=None if claim.margin == margin else claim.margin,
        remark=claim.remark,
        contrasts={contrast.name: _contrast(contrast) for contrast in claim.contrasts},
    )


def _slip(slip: Slip) -> dict[str, Any]:
    head = _filled(section=slip.section, sentence=slip.sentence, remark=slip.remark)
    return head | {"printed": slip.printed, "name": slip.contrast.name} | _contrast(slip.contrast)


def _contrast(contrast: Contrast) -> dict[str, Any]:
    sides: Mapping[str, tuple[Place, ...]] = {"plus": contrast.plus, "minus": contrast.minus}
    named = {side: [str(place) for place in places] for side, places in sides.items() if places}
    return named | {"column": contrast.column, "scale": contrast.scale}


def _one_objective(sweep: Sweep) -> bool:
    """Whether a search of the sweep is for validation accuracy alone."""
    return [it.metric for it in sweep.objectives] == [ACCURACY]


def _filled(**values: Any) -> dict[str, Any]:
    """Return what is not empty; a document leaves the rest out."""
    return {key: value for key, value in values.items() if value}
