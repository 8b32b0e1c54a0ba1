"""The paper's tables and every sweep, as data."""
