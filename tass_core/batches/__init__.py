"""Batches: which questions, in which order, and their features."""
