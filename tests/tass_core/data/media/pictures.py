"""Drawings as an image network sees them."""

import numpy as np

from tass_core.data.extract.extra import need
from tass_core.data.media.ingredients import Picture
from tass_core.data.media.stage import raster


def on_white(picture: Picture, side: int = 224) -> np.ndarray:
    """Return a drawing in the middle of a white square: [side, side, 3]."""
    image = raster(picture)
    longest = int(max(image.size) * 1.1)
    square = need("PIL.Image").new("RGB", (longest, longest), "white")
    square.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2), image)
    return np.asarray(square.resize((side, side), need("PIL.Image").Resampling.BICUBIC))
