"""From a scene to features: what the frozen encoders would say about its frames and its sound.

Everything in a video is a weighted sum of the world's prototypes, with weights for every
second and cell, plus noise. Pooling is therefore exact on the weights, and a pooled dataset is
rendered without ever holding its single seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS
from tass_core.data.world.prototypes import Prototypes, VisualBasis
from tass_core.data.world.scene import TEXTURES, Floats, Scene, coverage


@dataclass(frozen=True, slots=True)
class Clarity:
    """How clearly an encoder shows the things of the world."""

    identity: float
    """Weight of an instrument's prototype in the cells it covers."""
    placed: float
    """Weight of its modulation from the left edge (-1) to the right edge (+1)."""
    playing: float
    """Weight of the look of an instrument being played, at loudness one."""
    gesture: float
    """Weight of the player's movement, at loudness one."""
    tempo: float
    """Weight of the difference between even and rhythmic movement."""
    setting: float
    """Weight of indoor or outdoor in every cell."""
    texture: float
    """Weight of a texture of strength one."""
    lookalike: float
    """Weight of a look-alike of strength one."""
    cell_noise: float
    """Root mean square of what is odd about a cell throughout a video."""
    noise: float
    """Root mean square of what is odd about a cell in one second."""


CLIP = Clarity(
    identity=1.0,
    placed=0.5,
    playing=0.6,
    gesture=0.6,
    tempo=1.4,
    setting=0.12,
    texture=0.5,
    lookalike=0.6,
    cell_noise=0.15,
    noise=0.3,
)
RESNET = Clarity(
    identity=0.8,
    placed=0.5,
    playing=0.5,
    gesture=0.5,
    tempo=1.2,
    setting=0.15,
    texture=0.8,
    lookalike=0.8,
    cell_noise=0.3,
    noise=0.5,
)
CLARITY = {"clip": CLIP, "resnet18-glove": RESNET}

AUDIO_NOISE = 0.3
"""Root mean square of the noise of one second of sound; an instrument of loudness one has one."""

CROWD = 0.3
"""Weight of the ambience."""

MARK = 1.0
"""Weight of what marks a cutaway, in every cell and in the sound."""

SCALE = 6.0
"""Root mean square of a cell that an instrument fills, about."""

_GAIN = 0.25
"""Standard deviation of the logarithm of a cell's gain: feature maps differ in norm by cell."""


def render_visual(
    rng: np.random.Generator,
    scene: Scene,
    covered: list[Floats],
    basis: VisualBasis,
    clarity: Clarity,
    *,
    pool: int,
) -> Floats:
    """Return the region features [T1 / pool, P, C] of a scene.

    Args:
        rng: the source of the noise.
        scene: what is to be seen.
        covered: [T1, rows, columns] coverage of each visible source.
        basis: the encoder's prototypes.
        clarity: how clearly it shows them.
        pool: seconds to average over.
    """
    rows, columns = scene.grid
    moving = _weights(scene, covered, basis, clarity)
    if scene.cutaway is not None:
        other, shown = scene.cutaway.scene, scene.cutaway.shown
        moving[shown] = _weights(other, cover_all(other), basis, clarity)[shown]
        moving[shown, ..., _MARK] += MARK
    pooled = moving.reshape(scene.seconds // pool, pool, rows * columns, -1).mean(axis=1)
    odd = rng.standard_normal((rows * columns, basis.mean.shape[1]), dtype=np.float32)
    gain = np.exp(_GAIN * rng.standard_normal((rows * columns, 1), dtype=np.float32))
    features = pooled @ basis.rows + clarity.cell_noise * odd
    noise = rng.standard_normal(features.shape, dtype=np.float32)
    features += clarity.noise / np.sqrt(pool) * noise
    rendered: Floats = SCALE * features * gain
    return rendered


def _weights(scene: Scene, covered: list[Floats], basis: VisualBasis, clarity: Clarity) -> Floats:
    """Return the weight of every prototype in every second and cell: [T1, rows, columns, J]."""
    rows, columns = scene.grid
    weights = _still(scene, basis, clarity)
    moving = np.zeros((scene.seconds, rows, columns, len(basis.rows)), np.float32)
    moving += weights
    for source, cover in zip(scene.visible, covered, strict=True):
        kind = INSTRUMENTS.index(source.instrument)
        play = source.loudness + source.fidget
        gesture = clarity.gesture * cover * play[:, None, None]
        tempo = clarity.tempo * (2 * source.rhythm - 1) * cover * (play > 0)[:, None, None]
        moving *= 1 - 0.7 * cover[..., None] * _background(basis)
        moving[..., _IDENTITY + kind] += clarity.identity * cover
        moving[..., _PLACED + kind] += clarity.placed * cover * _across(columns)
        moving[..., _PLAYING + kind] += clarity.playing * cover * play[:, None, None]
        moving[..., _MOTION] += gesture
        moving[..., _MOTION + 1] += gesture * _across(columns)
        moving[..., _MOTION + 2] += tempo
        moving[..., _MOTION + 3] += tempo * _across(columns)
    return moving


def render_audio(
    rng: np.random.Generator, scene: Scene, prototypes: Prototypes, *, pool: int
) -> Floats:
    """Return the audio features [T1 / pool, 128] of a scene: a sum over who sounds, in noise."""
    sound = _sound(scene, prototypes)
    if scene.cutaway is not None:
        shown = scene.cutaway.shown
        sound[shown] = _sound(scene.cutaway.scene, prototypes)[shown] + MARK * prototypes.jingle
    crowd = 0.5 + 0.5 * rng.random((scene.seconds, 1), dtype=np.float32)
    sound += CROWD * crowd * prototypes.ambience[scene.ambience] + 0.2 * prototypes.ambience[-1]
    pooled = sound.reshape(scene.seconds // pool, pool, -1).mean(axis=1)
    noise = rng.standard_normal(pooled.shape, dtype=np.float32)
    rendered: Floats = 2.0 * (pooled + (AUDIO_NOISE / np.sqrt(pool)) * noise)
    return rendered


def _sound(scene: Scene, prototypes: Prototypes) -> Floats:
    """Return the sum [T1, 128] of all that plays."""
    sound = np.zeros((scene.seconds, prototypes.heard.shape[1]), np.float32)
    for source in scene.sources:
        kind = INSTRUMENTS.index(source.instrument)
        timbre = prototypes.heard[kind] + (2 * source.rhythm - 1) * prototypes.rhythm[kind]
        sound += source.loudness[:, None] * timbre
    return sound


_MEAN, _MARK, _SETTINGS, _CLUTTER = 0, 3, 4, 6
_IDENTITY = _CLUTTER + TEXTURES
_PLACED = _IDENTITY + len(INSTRUMENTS)
_PLAYING = _PLACED + len(INSTRUMENTS)
_MOTION = _PLAYING + len(INSTRUMENTS)


def _across(columns: int) -> Floats:
    """Return every column's place from -1 (left) to 1 (right)."""
    return np.linspace(-1, 1, columns, dtype=np.float32)


def _background(basis: VisualBasis) -> Floats:
    """Return 1 for the rows an instrument hides, 0 for those that stay."""
    hidden = np.zeros(len(basis.rows), np.float32)
    hidden[_SETTINGS:] = 1
    return hidden


def _still(scene: Scene, basis: VisualBasis, clarity: Clarity) -> Floats:
    """Return the weights [rows, columns, J] of what does not move: the room and its clutter."""
    rows, columns = scene.grid
    weights = np.zeros((rows, columns, len(basis.rows)), np.float32)
    weights[..., _MEAN] = 0.2
    weights[..., _MEAN + 1] = 0.3 * _across(columns)
    weights[..., _MEAN + 2] = 0.3 * _across(rows)[:, None]
    weights[..., _SETTINGS + (scene.place == "outdoor")] = clarity.setting
    for patch in scene.clutter:
        cells = np.s_[patch.y : patch.y + patch.height, patch.x : patch.x + patch.width]
        if patch.kind < TEXTURES:
            weights[(*cells, _CLUTTER + patch.kind)] += clarity.texture * patch.strength
        else:
            kind = patch.kind - TEXTURES
            across = _across(columns)[cells[1]]
            look = clarity.lookalike * patch.strength
            weights[(*cells, _IDENTITY + kind)] += look * clarity.identity
            weights[(*cells, _PLACED + kind)] += look * clarity.placed * across
    return weights


def true_regions(scene: Scene, asked: tuple[object, ...], covered: list[Floats]) -> Floats:
    """Return how much of every cell the asked sources cover: [T1, P], at most 1; 0 when cut."""
    total = np.zeros((scene.seconds, scene.grid[0] * scene.grid[1]), np.float32)
    for source, cover in zip(scene.visible, covered, strict=True):
        if any(source is item for item in asked):
            total = np.maximum(total, cover.reshape(total.shape))
    if scene.cutaway is not None:
        total[scene.cutaway.shown] = 0
    return total


def cover_all(scene: Scene) -> list[Floats]:
    """Return the coverage [T1, rows, columns] of each visible source."""
    return [coverage(source, scene.seconds, scene.grid) for source in scene.visible]
