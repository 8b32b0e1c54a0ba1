"""The config of the platform's tests."""

from tests.jobs.conftest import base, world

__all__ = ["base", "world"]
