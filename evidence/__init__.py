"""Runs judged: estimates, tables, claims and verdicts as values."""
