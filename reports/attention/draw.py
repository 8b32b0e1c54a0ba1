"""The paper's Figures 5 and 6 for one question: where and when the network looked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Ellipse, Rectangle

from reports.attention.explain import Explanation, Image, Instrument, Weights
from search_spaces.columns import COLUMNS

_ACROSS = 10
"""Segments in one row of tiles."""
_TILE = 1.35
"""Width of a tile in inches."""


def draw(explanation: Explanation, frames: Sequence[Image] | None = None) -> Figure:
    """Draw the spatial attention over the scene, and the temporal weights as colour bars.

    Args:
        explanation: from ``reports.attention.explain.explain``.
        frames: an image for each segment; None draws the procedural stage, or a bare grid.
    """
    segments = explanation.segments
    across = min(segments, _ACROSS)
    down = math.ceil(segments / across)
    width = max(across * _TILE, 7.5) + 1.2
    figure = Figure(figsize=(width, 1.1 + down * (_TILE + 0.3) + 1.6), layout="constrained")
    panels = figure.subfigures(3, 1, height_ratios=[0.9, down * (_TILE + 0.3), 1.6], squeeze=False)
    head, tiles, bars = panels[:, 0]
    _headline(head.add_subplot(), explanation)
    axes = tiles.subplots(down, across, squeeze=False).flat
    scale = _scale(explanation.spatial)
    for segment, axis in enumerate(axes):
        axis.set_axis_off()
        if segment < segments:
            _tile(axis, explanation, segment, scale, frames[segment] if frames else None)
    _bars(bars, explanation)
    return figure


def describe(explanation: Explanation) -> str:
    """Return the picture in words: question, answers, and where the largest weights are."""
    verdict = "right" if explanation.predicted == explanation.answer else "wrong"
    lines = [
        f"Question {explanation.question_id} ({explanation.split}, "
        f"{COLUMNS[explanation.kind].label}) on {explanation.video}: {explanation.question}",
        f"Answer: {explanation.answer}; predicted: {explanation.predicted} "
        f"({explanation.probability:.0%}), {verdict}",
    ]
    if explanation.spatial is not None:
        low, high = _scale(explanation.spatial)
        lines.append(f"Spatial attention: {low:.4f} to {high:.4f} of each segment's 1")
    for name, weights in (("audio", explanation.audio), ("visual", explanation.visual)):
        if weights is not None:
            first, last = explanation.seconds_of(int(weights.argmax()))
            share = float(weights.sum())
            lines.append(
                f"Largest {name} weight: seconds {first} to {last} ({weights.max():.3f} of "
                f"{share:.3f})"
            )
    return "\n".join(lines)


def _headline(axis: Axes, explanation: Explanation) -> None:
    axis.set_axis_off()
    right = explanation.predicted == explanation.answer
    axis.text(
        0,
        1,
        f"Q: {explanation.question}",
        fontsize=12,
        weight="bold",
        va="top",
        transform=axis.transAxes,
    )
    axis.text(
        0,
        0.55,
        f"Answer: {explanation.answer}    Predicted: {explanation.predicted} "
        f"({explanation.probability:.0%}) – {'right' if right else 'wrong'}",
        fontsize=11,
        color="#1a6b34" if right else "#b02a37",
        va="top",
        transform=axis.transAxes,
    )
    note = f"{COLUMNS[explanation.kind].label} · {explanation.video} · {explanation.origin}"
    if explanation.spatial is not None:
        low, high = _scale(explanation.spatial)
        note += f"\nspatial colours from {low:.4f} to {high:.4f}"
    if explanation.true_segments is not None:
        note += " · grey: sounding; dashed: true regions; green frame: true segments"
    axis.text(0, 0.15, note, fontsize=8, color="#57606a", va="top", transform=axis.transAxes)


def _scale(spatial: Weights | None) -> tuple[float, float]:
    if spatial is None:
        return 0.0, 1.0
    return float(spatial.min()), float(spatial.max())


def _tile(
    axis: Axes,
    explanation: Explanation,
    segment: int,
    scale: tuple[float, float],
    frame: Image | None,
) -> None:
    rows, columns = explanation.grid
    first, last = explanation.seconds_of(segment)
    cut = explanation.stage.is_cut(first, last)
    axis.set_title(f"{first}–{last} s{' (cutaway)' if cut else ''}", fontsize=7, pad=2)
    axis.set_xlim(0, columns)
    axis.set_ylim(rows, 0)
    axis.set_aspect("equal")
    axis.add_patch(Rectangle((0, 0), columns, rows, facecolor="#f3f5f7", edgecolor="none"))
    if frame is not None:
        axis.imshow(frame, extent=(0, columns, rows, 0), zorder=2)
    seen = explanation.stage.elsewhere if cut else explanation.stage.performance
    for instrument in seen if frame is None else ():
        _stand(axis, instrument, first, last)
    if explanation.spatial is not None:
        heat = explanation.spatial[segment].reshape(rows, columns)
        low, high = scale
        strength = (heat - low) / (high - low) if high > low else np.zeros_like(heat)
        axis.imshow(
            heat,
            extent=(0, columns, rows, 0),
            cmap="jet",
            vmin=low,
            vmax=max(high, low),
            alpha=0.15 + 0.45 * strength,
            interpolation="nearest",
            zorder=3,
        )
    _mark_truth(axis, explanation, segment)


def _stand(axis: Axes, instrument: Instrument, first: int, last: int) -> None:
    """Draw an instrument as an ellipse: filled while it sounds, with a thicker rim the louder."""
    loudness = float(instrument.loudness[first:last].mean())
    middle = instrument.centre((first + last - 1) / 2)
    axis.add_patch(
        Ellipse(
            (middle, instrument.y),
            instrument.width,
            instrument.height,
            facecolor="#c9ced4" if loudness > 0 else "none",
            edgecolor="#222222",
            linewidth=0.5 + min(loudness, 3.0) / 2,
            linestyle="-" if loudness > 0 else ":",
        )
    )
    axis.text(middle, instrument.y, instrument.name, fontsize=5, ha="center", va="center", zorder=4)


def _mark_truth(axis: Axes, explanation: Explanation, segment: int) -> None:
    rows, columns = explanation.grid
    if explanation.true_regions is not None:
        for cell in np.flatnonzero(explanation.true_regions[segment]):
            corner = (cell % columns + 0.08, cell // columns + 0.08)
            axis.add_patch(
                Rectangle(corner, 0.84, 0.84, fill=False, linestyle="--", linewidth=0.7, zorder=5)
            )
    if explanation.true_segments is not None and explanation.true_segments[segment]:
        axis.add_patch(
            Rectangle(
                (0, 0),
                columns,
                rows,
                fill=False,
                edgecolor="#1a6b34",
                linewidth=2.5,
                zorder=6,
                clip_on=False,
            )
        )


def _bars(panel: SubFigure, explanation: Explanation) -> None:
    """Draw w_a, w_v and [w_a; w_v] as three bars; lighter is larger, as in the paper."""
    if explanation.audio is None or explanation.visual is None:
        axis = panel.subplots()
        axis.set_axis_off()
        axis.text(0.5, 0.5, "no temporal grounding in this variant", ha="center", va="center")
        return
    both = np.concatenate([explanation.audio, explanation.visual])
    rows = (
        ("audio $w_a$", explanation.audio),
        ("visual $w_v$", explanation.visual),
        ("both $[w_a; w_v]$", both),
    )
    for axis, (name, weights) in zip(panel.subplots(3, 1), rows, strict=True):
        axis.imshow(weights[None], aspect="auto", cmap="gray", interpolation="nearest")
        axis.set_yticks([])
        axis.set_xticks([])
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        if len(weights) <= 2 * _ACROSS:
            _write_weights(axis, weights)
        if len(weights) == 2 * explanation.segments:
            axis.axvline(explanation.segments - 0.5, color="#cc0000", linewidth=1)


def _write_weights(axis: Axes, weights: Weights) -> None:
    middle = (float(weights.min()) + float(weights.max())) / 2
    for place, value in enumerate(weights):
        colour = "black" if value > middle else "white"
        axis.text(place, 0, f"{value:.3f}", ha="center", va="center", fontsize=6, color=colour)
