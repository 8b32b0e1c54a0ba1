"""Every network is known by the protocol alone: nothing but itself imports its folder."""

import re

import pytest

from tass_core.systems import BUILT_IN
from tests import ROOT

PACKAGES = ("tass_core", "search_spaces", "tracking", "evidence", "jobs", "reports", "cli")


FOLDERS = sorted({place.partition(":")[0].split(".")[2] for place in BUILT_IN.values()})


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_outside_a_system_s_folder_imports_it(name):
    own = ROOT / "tass_core" / "systems" / name
    said = re.compile(rf"^\s*(from|import) tass_core\.systems\.{name}\b", re.MULTILINE)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if not path.is_relative_to(own):
                assert not said.search(path.read_text()), f"{path} imports {name}"
