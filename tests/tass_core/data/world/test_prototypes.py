"""Prototypes: words lie near their images, sounds do not."""

import numpy as np
import pytest

from tass_core.data.world.prototypes import make_prototypes


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_map_fitted_on_half_of_the_words_finds_the_other_images(seed):
    world = make_prototypes(seed, text=64, visual={"clip": 64})
    looks = world.visual["clip"].identity.astype(np.float64)
    assert images_found(world.named, looks) > 0.5
    assert images_found(world.heard.astype(np.float64), looks) < 0.3


def images_found(features, looks):
    """Return how many of every second instrument a linear map of the others tells apart."""
    known, others = slice(0, None, 2), slice(1, None, 2)
    shared = np.linalg.lstsq(features[known], looks[known], rcond=1e-2)[0]
    nearest = (features[others] @ shared @ looks[others].T).argmax(axis=1)
    return np.mean(nearest == np.arange(len(nearest)))
