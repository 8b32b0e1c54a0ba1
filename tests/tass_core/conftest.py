"""What tests of several rooms share: a package that adds a system."""

import importlib
import sys

import pytest

from tass_core.systems import ENTRY_POINTS, system_named, system_places, system_source


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package of one module, whose entry point ``mynet`` has a value."""

    def forget():
        sys.modules.pop("mynet_package", None)
        importlib.invalidate_caches()
        system_source.cache_clear()
        system_places.cache_clear()
        system_named.cache_clear()

    def install(module, value="mynet_package:MYNET"):
        (tmp_path / "mynet_package.py").write_text(module)
        described = tmp_path / "mynet-1.dist-info"
        described.mkdir(exist_ok=True)
        (described / "METADATA").write_text("Name: mynet\nVersion: 1\n")
        (described / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nmynet = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        forget()

    yield install
    sys.modules.pop("mynet_package", None)
    monkeypatch.undo()
    forget()
