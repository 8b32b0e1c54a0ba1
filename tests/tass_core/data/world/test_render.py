"""Rendering: pooled features are the mean of the seconds."""

from dataclasses import replace

import numpy as np

from tass_core.data.world.prototypes import make_prototypes
from tass_core.data.world.render import CLARITY, cover_all, render_visual, true_regions
from tass_core.data.world.sampling import sample_scene


def draw(seed=0):
    rng = np.random.default_rng(seed)
    return sample_scene(rng, seconds=12, grid=(7, 7), co_occurrence=0.3)


def test_pooling_while_rendering_is_the_mean_of_the_seconds():
    scene = draw()
    basis = make_prototypes(0, text=8, visual={"clip": 16}).visual["clip"]
    quiet = replace(CLARITY["clip"], noise=0.0)
    single, pooled = (
        render_visual(np.random.default_rng(1), scene, cover_all(scene), basis, quiet, pool=pool)
        for pool in (1, 6)
    )
    np.testing.assert_allclose(single.reshape(2, 6, 49, 16).mean(1), pooled, atol=1e-4)


def test_a_source_covers_its_area_and_a_cutaway_hides_it():
    scene = replace(draw(), cutaway=None)
    for source, covered in zip(scene.visible, cover_all(scene), strict=True):
        middle = covered[5:7].sum(axis=(1, 2)).mean()  # where the drift is halfway
        assert abs(middle - source.width * source.height) < 1e-3
    other = next(drawn for drawn in map(draw, range(20)) if drawn.cutaway is not None)
    regions = true_regions(other, other.sources, cover_all(other))
    assert not regions[other.cutaway.shown].any()
    assert regions[~other.cutaway.shown].any(axis=1).all()
