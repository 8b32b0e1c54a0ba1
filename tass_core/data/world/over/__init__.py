"""Worlds invented over real questions."""
