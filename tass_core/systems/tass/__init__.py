"""TASS, the paper's network (section 3), and its losses."""
