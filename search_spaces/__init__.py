"""The paper's tables, every sweep and every search space, as data."""
