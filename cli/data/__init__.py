"""``tass-cli data``: make datasets, and look into them."""
