"""The directions features are made of: what a violin looks, sounds and reads like.

Images and text share a joint space, as CLIP's do: an image prototype and the word for it are
two orthonormal embeddings of one latent vector, each with a part of its own. Sound has a random
basis of its own, unrelated to the other two, as VGGish's has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tass_core.data.music_avqa.vocabulary import INSTRUMENTS
from tass_core.data.world.scene import AMBIENCES, ENSEMBLES, TEXTURES
from tass_core.data.world.seeds import prototype_generator

Vectors = npt.NDArray[np.float32]
Vectors64 = npt.NDArray[np.float64]

JOINT = 24
"""Width of the joint space of images and text."""

KINSHIP = 0.3
"""How much of an instrument's latent vector it shares with its relatives."""

AUDIO_WIDTH = 128


@dataclass(frozen=True, slots=True)
class VisualBasis:
    """Rows that a cell's feature is a weighted sum of; each has root mean square one.

    What stands on the right looks different from the same thing on the left, as in every deep
    feature map with a large receptive field: ``placed`` is multiplied by the cell's column.
    """

    mean: Vectors
    """[3, C] what every cell has, and how it changes from left to right and top to bottom."""
    mark: Vectors
    """[1, C] what marks a cutaway."""
    settings: Vectors
    """[2, C] indoor, outdoor."""
    textures: Vectors
    """[TEXTURES, C] kinds of clutter."""
    identity: Vectors
    """[22, C] image prototypes."""
    placed: Vectors
    """[22, C] their modulation by the column."""
    playing: Vectors
    """[22, C] the look of being played."""
    motion: Vectors
    """[4, C] a player's movement and its modulation by the column; the same for rhythm."""

    @property
    def rows(self) -> Vectors:
        """All of them, in the order of ``VisualRows``."""
        parts = (self.mean, self.mark, self.settings, self.textures)
        return np.concatenate([*parts, self.identity, self.placed, self.playing, self.motion])


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Everything that is the same for all videos of a world."""

    seed: int
    text_width: int
    visual: dict[str, VisualBasis]
    """By encoder."""
    heard: Vectors
    """[22, 128] audio prototypes."""
    rhythm: Vectors
    """[22, 128] how they change with the rhythm."""
    ambience: Vectors
    """[AMBIENCES + 1, 128] background sounds, and what every second has."""
    jingle: Vectors
    """[128] what marks a cutaway."""
    named: Vectors64
    """[22, D_t] the words for the instruments."""
    sentence_offset: Vectors64
    """[D_t] what every sentence has."""

    def word(self, word: str) -> Vectors64:
        """Return a word's feature [D_t], of root mean square one half."""
        vector: Vectors64
        if word in INSTRUMENTS:
            vector = self.named[INSTRUMENTS.index(word)]
        else:
            vector = (
                0.5 * _rows(prototype_generator(self.seed, f"word {word}"), 1, self.text_width)[0]
            )
        return vector

    def rank_gate(self, rank: int) -> Vectors64:
        """Return the modulation [D_t] of the rank-th of its kind in a sentence; its mean is one."""
        signs = prototype_generator(self.seed, f"rank {rank}").choice(
            [-1.0, 1.0], size=self.text_width
        )
        gate: Vectors64 = 1 + signs
        return gate


def make_prototypes(seed: int, *, text: int, visual: dict[str, int]) -> Prototypes:
    """Draw the prototypes of a world.

    Args:
        seed: the world's seed.
        text: D_t, the width of CLIP's text features.
        visual: channels by encoder; text is aligned with ``clip`` alone.
    """
    latent = _latent(prototype_generator(seed, "latent"))
    rng = prototype_generator(seed, "heard")
    heard = _rows(rng, len(INSTRUMENTS), AUDIO_WIDTH)
    signs = rng.choice([-1.0, 1.0], size=AUDIO_WIDTH)
    named = _embedded(prototype_generator(seed, "named"), latent, text, own=0.4)
    return Prototypes(
        seed=seed,
        text_width=text,
        visual={
            name: _visual_basis(prototype_generator(seed, f"visual {name}"), latent, width)
            for name, width in visual.items()
        },
        heard=heard.astype(np.float32),
        rhythm=(heard * signs).astype(np.float32),
        ambience=_rows(rng, AMBIENCES + 1, AUDIO_WIDTH).astype(np.float32),
        jingle=_rows(prototype_generator(seed, "jingle"), 1, AUDIO_WIDTH)[0].astype(np.float32),
        named=0.5 * named,
        sentence_offset=0.5 * _rows(prototype_generator(seed, "offset"), 1, text)[0],
    )


def _visual_basis(rng: np.random.Generator, latent: Vectors64, width: int) -> VisualBasis:
    identity = _embedded(rng, latent, width, own=0.5)
    return VisualBasis(
        mean=_rows(rng, 3, width).astype(np.float32),
        mark=_rows(rng, 1, width).astype(np.float32),
        settings=_rows(rng, 2, width).astype(np.float32),
        textures=_rows(rng, TEXTURES, width).astype(np.float32),
        identity=identity.astype(np.float32),
        placed=(identity * rng.choice([-1.0, 1.0], size=width)).astype(np.float32),
        playing=_rows(rng, len(INSTRUMENTS), width).astype(np.float32),
        motion=_rows(rng, 4, width).astype(np.float32),
    )


def _latent(rng: np.random.Generator) -> Vectors64:
    """Draw a latent vector for every instrument, alike within an ensemble."""
    shared = _rows(rng, len(ENSEMBLES), JOINT)
    own = _rows(rng, len(INSTRUMENTS), JOINT)
    kin = np.stack(
        [
            shared[next(i for i, group in enumerate(ENSEMBLES) if name in group)]
            for name in INSTRUMENTS
        ]
    )
    return _scaled(np.sqrt(KINSHIP) * kin + np.sqrt(1 - KINSHIP) * own)


def _embedded(rng: np.random.Generator, latent: Vectors64, width: int, *, own: float) -> Vectors64:
    """Embed latent vectors [K, JOINT] in a space of ``width``, each with a part of its own."""
    joint = min(JOINT, width)
    frame, _ = np.linalg.qr(rng.standard_normal((width, joint)))
    embedded = _scaled(latent[:, :joint] @ frame.T)
    return _scaled(np.sqrt(1 - own**2) * embedded + own * _rows(rng, len(latent), width))


def _rows(rng: np.random.Generator, count: int, width: int) -> Vectors64:
    return _scaled(rng.standard_normal((count, width)))


def _scaled(rows: Vectors64) -> Vectors64:
    """Scale rows to a root mean square of one."""
    scaled: Vectors64 = rows / np.sqrt((rows**2).mean(axis=-1, keepdims=True))
    return scaled
